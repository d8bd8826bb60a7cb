"""Two more analyses beside `Hyperprior`, at equal parameters: a transform for each image, and patches that attend.

    LOSSY_DATA=... python -m experiments.codecs.analyses [--folder FOLDER] [--update docs/learned.md]

Each codec is trained on CIFAR-10 by the command line, once, and kept in the folder. Rates are what entropy models tell.
Other options, as `--name=value`, go to the command line of each training.
"""

from pathlib import Path

import torch

from benchmarks.accuracy.small_networks import load
from benchmarks.harness import kept, parser, show
from experiments.codecs.arms import Place, trained
from experiments.codecs.tables import measure
from lossy_lightning.codecs import NonlinearTransform
from lossy_lightning.profiling import count_parameters

CODECS = {
    "hyperprior": "codecs_hyperprior",
    "transform for each image, no hyperprior": "codecs_adaptive",
    "transformer of patches, hyperprior": "codecs_patches",
}


def row(name: str, codec: NonlinearTransform, images: torch.Tensor) -> list[str]:
    """What a codec has, costs and keeps."""
    told = measure(codec, images)
    parameters = sum(count_parameters(codec).values())
    return [name, f"{parameters:,}", f"{told['macs'] / 1e3:.0f}", f"{told['bits']:.2f}", f"{told['psnr']:.2f}"]


def main() -> None:
    """Train what is missing, and show the table."""
    given = parser(__doc__)
    given.add_argument("--folder", type=Path, help="where images and codecs are kept")
    given.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    told, extra = given.parse_known_args()
    torch.set_num_threads(1)
    rows = [["codec", "parameters", "encoding, thousand MACs", "bits a pixel", "PSNR, dB"]]
    with kept(told.folder) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        place = Place(torch.empty(0), folder, 0, tuple(extra))
        images, _ = load("test", folder / "images")
        for name, run in CODECS.items():
            codec = trained(run, {}, place)
            assert isinstance(codec, NonlinearTransform)
            rows.append(row(name, codec, images))
    show(rows, f"{len(images)} test images of CIFAR-10, seed 0.", told.update, "analyses")


if __name__ == "__main__":
    main()
