"""Trained codecs beside the standards on photos: what their files keep at what size.

    LOSSY_DATA=... python -m benchmarks.accuracy.photo_codecs [--update docs/learned.md] [--draw FILE.svg]

Photos are those of kodak/ in $LOSSY_DATA. Rates are sizes of whole files, headers included, and of all photos together;
so is the peak signal-to-noise ratio, of RGB samples. JPEG, JPEG 2000, WebP and AVIF are Pillow's, of several qualities.
Trained codecs are those that the package ships; they have one rate each.
"""

import io
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.accuracy.transform_rates import Point, draw
from benchmarks.harness import parser, show
from lossy_lightning.core import FileCodec
from lossy_lightning.weights import list_codecs, load_codec

Photo = NDArray[np.uint8]
STANDARDS: dict[str, list[dict[str, Any]]] = {
    "JPEG": [{"format": "JPEG", "quality": quality} for quality in (5, 10, 25, 50, 75, 90, 96)],
    "JPEG 2000": [
        {"format": "JPEG2000", "irreversible": True, "mct": 1, "quality_layers": [ratio]}
        for ratio in (160, 80, 40, 20, 10, 5)
    ],
    "WebP": [{"format": "WEBP", "quality": quality} for quality in (1, 10, 30, 50, 75, 90, 97)],
    "AVIF": [{"format": "AVIF", "quality": quality, "speed": 8} for quality in (20, 35, 50, 65, 80, 92)],
}


def pillow(options: dict[str, Any]) -> Callable[[Photo], tuple[bytes, Photo]]:
    """File and decoded pixels of a photo, by Pillow."""

    def code(photo: Photo) -> tuple[bytes, Photo]:
        file = io.BytesIO()
        Image.fromarray(photo).save(file, **options)
        return file.getvalue(), np.asarray(Image.open(file).convert("RGB"))

    return code


def learned(codec: FileCodec) -> Callable[[Photo], tuple[bytes, Photo]]:
    """The same by a codec of ours, decoded from the file."""

    def code(photo: Photo) -> tuple[bytes, Photo]:
        signal = torch.from_numpy(photo.copy()).permute(2, 0, 1)
        data = codec.write(codec.encode(signal), tuple(signal.shape))
        return data, codec.decode(*codec.read(data)).permute(1, 2, 0).numpy()

    return code


def point(code: Callable[[Photo], tuple[bytes, Photo]], photos: Sequence[Photo]) -> Point:
    """Rate and distortion of all photos together."""
    size, error, samples = 0, 0.0, 0
    for photo in photos:
        data, decoded = code(photo)
        size += len(data)
        error += float(np.square(decoded.astype(float) - photo).sum())
        samples += photo.size
    return Point(8 * size / (samples / 3), 10 * math.log10(255**2 * samples / error))


def at(curve: Sequence[Point], bits: float) -> str:
    """PSNR of a curve at a rate, linear over its logarithm; empty beyond its ends."""
    points = sorted(curve)
    if not points[0].bits <= bits <= points[-1].bits:
        return ""
    return f"{np.interp(math.log(bits), [math.log(one.bits) for one in points], [one.psnr for one in points]):.1f}"


def main() -> None:
    """Measure, show the table, and draw."""
    given = parser(__doc__)
    given.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given.add_argument("--draw", type=Path, metavar="FILE", help="draw all curves into this file")
    told = given.parse_args()
    paths = sorted((Path(os.environ["LOSSY_DATA"]) / "kodak").glob("*.png"))
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    curves = {name: [point(pillow(each), photos) for each in options] for name, options in STANDARDS.items()}
    rows = [["codec", "bits a pixel", "PSNR, dB", *(f"{name} at as many" for name in curves)]]
    trained = {name: point(learned(load_codec(name).codec), photos) for name in list_codecs()}
    for name, found in trained.items():
        others = [at(curve, found.bits) for curve in curves.values()]
        rows.append([f"`{name}`", f"{found.bits:.2f}", f"{found.psnr:.1f}", *others])
    show(rows, f"{len(photos)} photos; whole files.", told.update, "photo-codecs")
    if told.draw:
        draw(curves | {name: [found] for name, found in trained.items()}, "PSNR, dB", told.draw, "bits a pixel")


if __name__ == "__main__":
    main()
