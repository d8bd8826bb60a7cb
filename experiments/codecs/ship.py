"""Writes trained codecs that the package ships, with their cards.

    LOSSY_DATA=... python -m experiments.codecs.ship [NAME ...] [--folder FOLDER] [--update docs/weights.md]

Codecs are trained on CIFAR-10 by the command line if they are not in the folder, and measured on its test images.
Without names, the table of all cards is shown.
"""

import json
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.accuracy.small_networks import load
from benchmarks.harness import kept, parser, show
from benchmarks.weights import told as made_of
from experiments.codecs.arms import DECODER, Options, Place, trained, where
from experiments.codecs.tables import measure
from lossy_lightning.codecs import NonlinearTransform
from lossy_lightning.profiling import count_parameters
from lossy_lightning.weights import CodecCard, list_codecs, load_codec
from lossy_lightning.weights.trained_codecs import FOLDER, read_codec, write_codec


class Told(NamedTuple):
    """A codec to ship: its title, and the run that trains it."""

    title: str
    run: str
    options: Options


CODECS = {
    "cifar10-hyperprior": Told("Nonlinear transform coding of images, cells of 4x4 pixels", "codecs_hyperprior", {}),
    "cifar10-linear-analysis": Told(
        "12 numbers of 8x8 pixels by one linear layer, and back by another", "codecs_linear_analysis", {DECODER: "[]"}
    ),
}


def write(name: str, place: Place, images: torch.Tensor, folder: Path = FOLDER) -> CodecCard:
    """Write the files of a codec."""
    told = CODECS[name]
    codec = trained(told.run, told.options, place)
    assert isinstance(codec, NonlinearTransform)
    checkpoint = where(told.run, told.options, place)
    hparams = torch.load(checkpoint, map_location="cpu", weights_only=True)["hyper_parameters"]
    path = folder / f"{name}.safetensors"
    write_codec(path, codec, made_of(hparams["codec"]))
    (log,) = checkpoint.parent.glob("runs/*/version_0/config.yaml")
    found = measure(read_codec(path), images)
    card = CodecCard(
        told.title,
        "CIFAR-10, training images",
        "none stated",
        f"python -m experiments.codecs.ship {name}",
        round((checkpoint.stat().st_mtime - log.stat().st_mtime) / 60, 1),
        sum(count_parameters(codec).values()),
        round(found["bits"], 4),
        round(found["psnr"], 3),
        len(images),
        path.stat().st_size,
    )
    path.with_suffix(".json").write_text(json.dumps(card._asdict(), indent=1) + "\n")
    return card


def table() -> list[list[str]]:
    """A row for each codec."""
    rows = [
        ["name", "what it is", "bits a pixel", "PSNR, dB", "parameters", "training, minutes", "KiB", "data, licence"]
    ]
    for name in list_codecs():
        card = load_codec(name).card
        row = [f"`{name}`", card.title, f"{card.bits:.2f}", f"{card.psnr:.2f}", f"{card.parameters:,}"]
        rows.append([*row, f"{card.minutes:g}", f"{card.bytes / 1024:.0f}", f"{card.data}, {card.licence}"])
    return rows


def main() -> None:
    """Write codecs, and show the table."""
    given = parser(__doc__)
    given.add_argument("names", nargs="*", help=", ".join(CODECS))
    given.add_argument("--folder", type=Path, help="where images and codecs are kept")
    given.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    told = given.parse_args()
    torch.set_num_threads(1)
    with kept(told.folder) as folder:
        for name in told.names:
            folder.mkdir(parents=True, exist_ok=True)
            images, _ = load("test", folder / "images")
            write(name, Place(torch.empty(0), folder), images)
    show(
        table(),
        "Rates and distortion are of the test images; training is timed by the clock, beside other work.",
        told.update,
        "codec-weights",
    )


if __name__ == "__main__":
    main()
