"""Writes a network that the package ships, from the checkpoint of a run: its weights, its codec, and its card.

    LOSSY_DATA=... python -m benchmarks.weights NAME CHECKPOINT [--seed 0] [--folder lossy_lightning/weights]

NAME is one of `ROWS`. The file is read back and tested on the run's test data before its card is written. A card whose
accuracy lies outside of the interval of its recipe's table in docs/numbers.md is refused.

    LOSSY_DATA=... python -m benchmarks.weights --update docs/weights.md

puts the table of all cards into a document.
"""

import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Trainer
from torch import nn

from benchmarks.accuracy.jpeg_resolution import originals
from benchmarks.accuracy.speech_mp3 import files
from benchmarks.harness import ROOT, config, kept, parser
from benchmarks.tables import update_table
from lossy_lightning import weights
from lossy_lightning.codecs import VQVAE
from lossy_lightning.core import Codec, data_state
from lossy_lightning.core.described import describe, describe_codec, make
from lossy_lightning.data import (
    CIFAR10,
    MNIST,
    CodedFolder,
    Digits,
    EncodedDataModule,
    FashionMNIST,
    JPEGFolder,
    SpeechCommands,
    speaker_of,
)
from lossy_lightning.profiling import count_encoding_macs, count_macs
from lossy_lightning.report import as_markdown
from lossy_lightning.tasks import ClassificationTask
from lossy_lightning.weights.card import Card, counted
from lossy_lightning.weights.shipped import FOLDER
from lossy_lightning.weights.trained import Told, read_trained, write_trained

FOLD = 4  # of speakers; its accuracies are the closest to the means of all five
_CC_BY = "CC BY 4.0"


class Row(NamedTuple):
    """A network to ship.

    Attributes:
        title: What it does, from what.
        run: Its name in `experiments/`.
        data: What it was trained on, and the licence of that.
        command: What trained it; of the run with seed ``{seed}``.
        place: Table of the docs, label of its row there, and column.
        test_data: Makes the data of the test, of a codec.
    """

    title: str
    run: str
    data: tuple[str, str]
    command: str
    place: tuple[str, str, str]
    test_data: Callable[[Codec], EncodedDataModule]


def _mnist(title: str, run: str, label: str, table: str, row: str) -> Row:
    command = f'python -m benchmarks.accuracy.mnist --seeds {{seed}} "{label}"'
    return Row(title, run, ("MNIST", "none stated"), command, (table, row, "test accuracy, %"), MNIST)


def _speech(title: str, run: str, label: str, test_data: Callable[[Codec], EncodedDataModule]) -> Row:
    command = f'python -m benchmarks.accuracy.speech --folds {FOLD} "{label}"'
    place = ("speech-folds", label, "test, %")
    return Row(title, run, ("Speech Commands, eight words", _CC_BY), command, place, test_data)


def _in_mp3(codec: Codec) -> CodedFolder:
    return CodedFolder(codec, files(), crop=16128, group=speaker_of, test_fold=FOLD)


def _photos(codec: Codec) -> JPEGFolder:
    return JPEGFolder(codec, originals())


_WORDS = partial(SpeechCommands, test_fold=FOLD)
_SUMMED = "Lyra 9.2 kbit/s, summed words, binary tail"

ROWS = {
    "digits-vq-lookup": Row(
        "Digits of 8x8 pixels from 4-bit codes of 2x2 blocks, looked up, then binary",
        "codes, looked up, binary tail",
        ("scikit-learn's digits", _CC_BY),
        "python -m benchmarks.accuracy.digits --seeds {seed}",
        ("digits", "codes, looked up, binary tail", "test accuracy, %"),
        Digits,
    ),
    "mnist-vq-lookup": _mnist(
        "MNIST from 4-bit codes of 4x4 blocks, looked up, then binary",
        "mnist_vq_lookup_bnn",
        "k-means, one-hot look-up, binary tail",
        "mnist-codes",
        "codes, looked up in a table of real rows, binary tail",
    ),
    "mnist-thresholds-binary": _mnist(
        "MNIST from pixels compared with 128, binary from the sensor on",
        "mnist_thresholds",
        "pixels as bits, binary from the sensor on",
        "mnist-codes",
        "pixels compared with 128, one bit each, all binary",
    ),
    "fashion-mnist-learned-binary": Row(
        "Fashion-MNIST from 196 learned bits an image, binary from the bits on",
        "mnist_joint_codes",
        ("Fashion-MNIST", "MIT"),
        'python -m benchmarks.accuracy.mnist --fashion --seeds {seed} "task-aware, fresh all-binary network"',
        ("fashion-learned", "task-aware, all binary", "test accuracy, %"),
        FashionMNIST,
    ),
    "cifar10-jpeg-unfold": Row(
        "CIFAR-10 from coefficients of JPEG files of quality 75, never decoded",
        "cifar10_unfold",
        ("CIFAR-10", "none stated"),
        'python -m benchmarks.accuracy.jpeg --seeds {seed} "unfolded by 4, frozen"',
        ("jpeg-accuracy", "unfolded by 4, frozen", "test accuracy, %"),
        CIFAR10,
    ),
    "imagenette-jpeg-narrow": Row(
        "Ten classes of photos from coefficients of JPEG files of any size, never decoded",
        "imagenette_narrow_crops",
        ("Imagenette, 1 000 photos of 224x224", "ImageNet's research terms"),
        'python -m benchmarks.accuracy.jpeg_resolution --seeds {seed} "narrow, coefficients, trained on crops"',
        ("jpeg-resolution", "narrow, coefficients, trained on crops", "224x224"),
        _photos,
    ),
    "speech-vq-lookup": _speech(
        "Eight spoken words from codes of log spectrograms, looked up",
        "speech_vq_float",
        "log-spectrogram VQ, look-up, float",
        _WORDS,
    ),
    "speech-mp3-bands": _speech(
        "Eight spoken words from the levels of MP3 files of 32 kbit/s, never decoded",
        "mp3_speech",
        "MP3 32 kbit/s, bands of levels, float",
        _in_mp3,
    ),
    "speech-lyra-binary": _speech(
        "Eight spoken words from the tokens of Lyra at 9.2 kbit/s, summed, then mostly binary",
        "speech_lyra_binary",
        _SUMMED,
        _WORDS,
    ),
}


def interval_of_table(place: tuple[str, str, str]) -> tuple[float, float]:
    """Mean and standard deviation that a cell of a table in docs/numbers.md states."""
    table, label, column = place
    text = (ROOT / "docs" / "numbers.md").read_text(encoding="utf-8")
    rows = re.split(rf"^<!-- table {table}\b", text, flags=re.MULTILINE)[1].split("<!-- end of table")[0].splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("|")]
    (found,) = [row for row in cells if row[0] == label]
    mean, _, deviation = found[cells[0].index(column)].partition(" ± ")
    return float(mean), float(deviation)


def wilson(share: float, count: int) -> tuple[float, float]:
    """The interval of 95 % of a share of so many, in percent.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.
    """
    z = 1.959964
    middle = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    low, high = ((middle + sign * half) / (1 + z * z / count) for sign in (-1, 1))
    return 100 * low, 100 * high


def write(name: str, checkpoint: Path, seed: int, folder: Path) -> Card:
    """Write the files of a network.

    Raises:
        ValueError: If its accuracy lies outside of the interval of its recipe, or its codec is not that of the run.
    """
    row, saved = ROWS[name], torch.load(checkpoint, map_location="cpu", weights_only=True)
    origin = {key: value for key, value in (data_state(saved) or {}).items() if key not in _LEFT_OUT}
    made, codec = _codec(row.run, seed, checkpoint, origin["codecs"]["codec"])
    of_codec, tensors = describe_codec(codec, made)
    hparams = saved["hyper_parameters"]
    stem, backbone = (told(hparams[part]) for part in ("stem", "backbone"))
    task = ClassificationTask.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
    data = row.test_data(codec)
    origin["signal_form"] = data.signal_form._asdict()
    # What was trained on crops may read any size.
    text = Told(data.spec, stem, backbone, task.logit_scale, of_codec, _without_tensors(origin))
    path = folder / f"{name}.new"  # until it is known how good it is
    write_trained(path, text, task.eval(), tensors)
    card = measured(name, path, seed)
    mean, deviation = card.table
    if abs(card.accuracy - mean) > deviation:
        raise ValueError(f"{name} has {card.accuracy:.2f} %, its recipe {mean} ± {deviation}: take another run")
    path.replace(path.with_suffix(".safetensors"))
    path.with_suffix(".json").write_text(card.to_json(), encoding="utf-8")
    return card


_LEFT_OUT = ("arguments", "progress", "name")


def _without_tensors(origin: dict[str, Any]) -> dict[str, Any]:
    codecs = {name: {key: told[key] for key in ("codec", "fingerprint")} for name, told in origin["codecs"].items()}
    return origin | {"codecs": codecs}


def _codec(run: str, seed: int, checkpoint: Path, origin: dict[str, Any]) -> tuple[dict[str, Any] | None, Codec]:
    """The codec of a run, and how it is made, if it does not tell that itself."""
    given = config(run)["data"]["init_args"]["codec"]
    made = None
    if given["class_path"].endswith("VQVAE.from_checkpoint"):
        places = (parent / given["init_args"]["path"] for parent in checkpoint.absolute().parents)
        path = next(place for place in places if place.is_file())
        made = told(torch.load(path, map_location="cpu", weights_only=True)["hyper_parameters"]["codec"])
        codec: Any = VQVAE.from_checkpoint(path)
    else:
        if given["class_path"] == "lossy_lightning.codecs.VQ":
            given = given | {"init_args": given["init_args"] | {"seed": seed}}  # as the studies do
        codec = make(told(given))
        if isinstance(codec, nn.Module):
            codec.load_state_dict(origin["state"])
    if codec.fingerprint() != origin["fingerprint"]:
        raise ValueError(f"{run} has the codec {codec.fingerprint()}, the checkpoint {origin['fingerprint']}")
    return made, codec


def told(given: Any) -> Any:
    """What the command line was told, as `core.described` makes it."""
    if isinstance(given, dict) and "class_path" in given:
        arguments = {name: told(value) for name, value in given.get("init_args", {}).items()}
        return {"class": given["class_path"], "arguments": arguments}
    if isinstance(given, dict):
        return {"items": {name: told(value) for name, value in given.items()}}
    return [told(value) for value in given] if isinstance(given, (tuple, list)) else describe(given)


def measured(name: str, path: Path, seed: int) -> Card:
    """The card of a file, whose network is tested."""
    row, size = ROWS[name], path.stat().st_size
    command, seeds = row.command.format(seed=seed), f"{seed}, of codec and network"
    if f"--folds {FOLD}" in command:
        seeds += f"; fold {FOLD} of speakers is the test"
    empty = Card(row.title, *row.data, command, seeds, 0, (0, 0), 0, interval_of_table(row.place), {}, {}, size)
    network = read_trained(path, empty)
    data = data_of(name, network.codec)
    share = share_right(network.task, data)
    code, _, *grid_size = next(iter(data.test_dataloader()))
    macs = count_macs(network.task, code[:1], *(one[:1] for one in grid_size))
    encoding = count_encoding_macs(network.codec, tuple(size or 0 for size in data.signal_shape))
    count = len(data.test_dataloader().dataset)
    return empty._replace(
        accuracy=round(100 * share, 2),
        interval=tuple(round(bound, 2) for bound in wilson(share, count)),
        examples=count,
        macs={width: int(number) for width, number in sorted(macs.items()) if number},
        encoding_macs={width: int(number) for width, number in sorted(encoding.items()) if number},
    )


def data_of(name: str, codec: Codec) -> EncodedDataModule:
    """Data whose test split a network is measured on."""
    return ROWS[name].test_data(codec)


def share_right(task: ClassificationTask, data: EncodedDataModule) -> float:
    """Share of the test examples that a network tells rightly."""
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    (found,) = Trainer(accelerator="cpu", logger=False, **quiet).test(task, data, verbose=False)
    return found["test_acc"]


def table() -> list[list[str]]:
    """The cards, a row each."""
    head = ["name", "test accuracy, %", "its recipe, %", "MACs", "MACs of encoding", "KiB", "data, licence"]
    rows = [head]
    for name in weights.list():
        card = Card.from_json((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        low, high = card.interval
        rows.append(
            [
                f"`{name}`",
                f"{card.accuracy:.2f} ({low:.1f} to {high:.1f})",
                "{:.2f} ± {:.2f}".format(*card.table),
                counted(card.macs),
                counted(card.encoding_macs),
                f"{card.bytes / 1024:.0f}",
                f"{card.data}, {card.licence}",
            ]
        )
    return rows


def main() -> None:
    options = parser(__doc__)
    options.add_argument("name", nargs="?", choices=ROWS, help="of the network")
    options.add_argument("checkpoint", nargs="?", type=Path, help="of its run")
    options.add_argument("--seed", type=int, default=0, help="of that run")
    options.add_argument("--folder", type=Path, default=FOLDER, help="where files go; default: the package")
    options.add_argument("--update", type=Path, metavar="FILE", help="put the table of all cards into this document")
    given = options.parse_args()
    if given.name and not given.checkpoint:
        options.error("a network is written from the checkpoint of its run")
    with kept(given.folder) as folder:
        if given.name:
            print(write(given.name, given.checkpoint, given.seed, folder))
    if given.update:
        update_table(given.update, "weights", as_markdown(table()))


if __name__ == "__main__":
    main()
