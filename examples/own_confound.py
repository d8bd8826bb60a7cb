"""Ask whether a folder's headers give its classes away, then take that away by encoding all files alike.

python examples/own_confound.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_image

from lossy_lightning.confound import confound, labelled_files, write_even_copy


def save_leaking_photos(folder: Path) -> None:
    """Crops of one photo in two classes, of which one was encoded by another program."""
    photo = Image.fromarray(load_sample_image("flower.jpg"))
    for i in range(60):
        label, options = ("real", {"quality": 95}) if i % 2 else ("generated", {"quality": 75, "progressive": True})
        (folder / label).mkdir(parents=True, exist_ok=True)
        photo.crop((8 * i, 0, 8 * i + 64, 64)).save(folder / label / f"{i}.jpg", **options)


def main(folder: Path | None = None) -> None:
    with tempfile.TemporaryDirectory() as place:
        if folder is None:
            folder = Path(place, "photos")
            save_leaking_photos(folder)
        files, labels, groups = labelled_files(folder)
        print(confound(files, labels, groups).to_text())
        write_even_copy(files, folder, Path(place, "copy"))
        files, labels, groups = labelled_files(Path(place, "copy"))
        print("\nThe copy, all encoded alike:\n" + confound(files, labels, groups).to_text())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
