"""``lossy-lightning predict-files``."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lossy_lightning import weights
from lossy_lightning.cli.exporting import trained_data, trained_task
from lossy_lightning.core import Codec, FileCodec, InputError, MissingFileError
from lossy_lightning.data import read_image
from lossy_lightning.deploy import OnnxNetwork, PackedNetwork, network_codec
from lossy_lightning.inspection import open_file

_ZIP = b"PK\x03\x04"  # how checkpoints of torch begin
_ONNX = b"\x08"  # the first field, a number
_NETWORK = "packed, ONNX, or a checkpoint; or the name of a network of lossy_lightning.weights"


class Network(NamedTuple):
    """What predicts.

    Attributes:
        logits: Of codes ``(N, C, *grid)``.
        shape: Of a code.
        codec: That makes codes.
        classes: Their names.
    """

    logits: Callable[[Tensor], Tensor]
    shape: tuple[int | None, ...]
    codec: Codec
    classes: tuple[str, ...] | None


def predict_files(arguments: Sequence[str]) -> None:
    """Tell the classes of files.

    Raises:
        InputError: If a file cannot be read, or is of another size than the network's codes.
    """
    parser = argparse.ArgumentParser("lossy-lightning predict-files", description="Tell the classes of files.")
    parser.add_argument("--network", type=Path, required=True, metavar="FILE", help=_NETWORK)
    parser.add_argument("--json", action="store_true", help="print all probabilities, a line of JSON a file")
    parser.add_argument("files", nargs="+", metavar="FILE", help="that the network's codec reads or encodes")
    options = parser.parse_args(list(arguments))
    network = _network(options.network)
    for path in options.files:
        found = _probabilities(network, path)
        names = network.classes or tuple(str(number) for number in range(len(found)))
        if options.json:
            told = dict(zip(names, found, strict=True))
            print(json.dumps({"file": path, "class": max(told, key=lambda name: told[name]), "probabilities": told}))
            continue
        best = sorted(zip(found, names, strict=True), reverse=True)[:3]
        print(f"{path}: {', '.join(f'{name} {100 * share:.1f} %' for share, name in best)}")


def _probabilities(network: Network, path: str) -> list[float]:
    try:
        logits = network.logits(_code(network, path).unsqueeze(0))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return [float(share) for share in logits[0].softmax(0)]


def _code(network: Network, path: str) -> Tensor:
    """A file's code; an image whose channels are equal is one of one channel, if the network reads such."""
    grey = None if isinstance(network.codec, FileCodec) else _grey_image(path)
    if grey is not None and network.codec.spec(tuple(grey.shape)).shape == network.shape:
        return network.codec.encode(grey)
    return open_file(path, network.codec).code


def _grey_image(path: str) -> Tensor | None:
    """The image ``(1, H, W)`` in a file, None if it is none or has colours."""
    try:
        image = read_image(path)
    except (InputError, OSError):
        return None
    return image[:1] if bool((image == image[:1]).all()) else None


def _network(path: Path) -> Network:
    if not path.is_file():
        return _shipped(str(path))
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(_ONNX) and not start.endswith(b"{"):  # safetensors may begin so, but have JSON there
        onnx = OnnxNetwork(path)
        return Network(lambda code: torch.from_numpy(onnx.predict(code)), onnx.shape, onnx.codec(), onnx.classes)
    if start.startswith(_ZIP):
        task, data = trained_task(path), trained_data(path)
        return Network(torch.no_grad()(task), data.spec.shape, data.codec, data.classes)
    try:
        packed = PackedNetwork.load(path)
    except ValueError as error:
        raise InputError(str(error)) from error
    codec = network_codec(packed)
    return Network(lambda code: torch.from_numpy(packed.predict(code)), packed.shape, codec, packed.classes)


def _shipped(name: str) -> Network:
    if name not in weights.list():
        raise MissingFileError(
            f"there is no network {name}; write one with lossy-lightning export, or name one that the package ships: "
            f"{', '.join(weights.list())}"
        )
    task, codec, classes, _ = weights.load(name)
    return Network(torch.no_grad()(task), task.spec.shape, codec, classes)
