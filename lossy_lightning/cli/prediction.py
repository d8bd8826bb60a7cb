"""``lossy-lightning predict-files``."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lossy_lightning import weights
from lossy_lightning.cli.exporting import trained_task
from lossy_lightning.core import Codec, InputError, MissingFileError, SignalForm
from lossy_lightning.data import trained_on
from lossy_lightning.deploy import OnnxNetwork, PackedNetwork, network_codec, network_form
from lossy_lightning.deploy.codecs import make_form
from lossy_lightning.inspection import read_example

_ZIP = b"PK\x03\x04"  # how checkpoints of torch begin
_ONNX = b"\x08"  # the first field, a number
_NETWORK = "packed, ONNX, or a checkpoint; or the name of a network of lossy_lightning.weights"


class Network(NamedTuple):
    """What predicts.

    Attributes:
        logits: Of codes ``(N, C, *grid)``.
        codec: That makes codes.
        form: What files' signals are brought to.
        classes: Their names.
    """

    logits: Callable[[Tensor], Tensor]
    codec: Codec
    form: SignalForm
    classes: tuple[str, ...] | None


def predict_files(arguments: Sequence[str]) -> None:
    """Tell the classes of files; what is wrong with some stands at the end, on standard error.

    Raises:
        InputError: If the network cannot be used.
        SystemExit: With status 1, if a file cannot be read, or does not fit the network.
    """
    parser = argparse.ArgumentParser(
        "lossy-lightning predict-files",
        description="Tell the classes of files. Those that cannot be read are listed at the end; the status is then 1.",
    )
    parser.add_argument("--network", required=True, metavar="FILE", help=_NETWORK)
    parser.add_argument("--json", action="store_true", help="print all probabilities, a line of JSON a file")
    parser.add_argument("files", nargs="+", metavar="FILE", help="that the network's codec reads or encodes")
    options = parser.parse_args(list(arguments))
    network = _network(options.network)
    bad = []
    for path in options.files:
        try:
            found = _probabilities(network, path)
        except (ValueError, OSError) as error:
            bad.append(" ".join(str(error).split()))
            if options.json:
                print(json.dumps({"file": path, "error": bad[-1]}))
            continue
        names = network.classes or tuple(str(number) for number in range(len(found)))
        print(_json(path, found, names) if options.json else _line(path, found, names))
    if bad:
        sys.stdout.flush()
        listed = "\n  ".join(bad)
        sys.exit(f"lossy-lightning: {len(bad)} of {len(options.files)} files cannot be told:\n  {listed}")


def _json(path: str, found: list[float], names: Sequence[str]) -> str:
    told = dict(zip(names, found, strict=True))
    return json.dumps({"file": path, "class": max(told, key=lambda name: told[name]), "probabilities": told})


def _line(path: str, found: list[float], names: Sequence[str]) -> str:
    best = sorted(zip(found, names, strict=True), reverse=True)[:3]
    return f"{path}: {', '.join(f'{name} {100 * share:.1f} %' for share, name in best)}"


def _probabilities(network: Network, path: str) -> list[float]:
    code = read_example(path, network.codec, network.form)
    try:
        logits = network.logits(code.unsqueeze(0))
    except (ValueError, RuntimeError) as error:  # a signal that is too small for a kernel is torch's RuntimeError
        raise InputError(f"{path} does not fit the network: {error}") from error
    return [float(share) for share in logits[0].softmax(0)]


def _network(name: str) -> Network:
    path = Path(name)
    if name and path.is_dir():
        raise InputError(f"--network is {name}, a folder: name the file of a network in it")
    if not path.is_file():
        return _shipped(name)
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(_ONNX) and not start.endswith(b"{"):  # safetensors may begin so, but have JSON there
        onnx = OnnxNetwork(path)
        return Network(lambda code: torch.from_numpy(onnx.predict(code)), onnx.codec(), onnx.form(), onnx.classes)
    if start.startswith(_ZIP):
        task, data = trained_task(path, "--network"), trained_on(path)
        return Network(torch.no_grad()(task), data.codec, data.form, data.classes)
    try:
        packed = PackedNetwork.load(path)
    except ValueError as error:
        raise InputError(str(error)) from error
    codec, form = network_codec(packed), network_form(packed)
    return Network(lambda code: torch.from_numpy(packed.predict(code)), codec, form, packed.classes)


def _shipped(name: str) -> Network:
    if name not in weights.list():
        raise MissingFileError(
            f"there is no network {name!r}; write one with lossy-lightning export, or name one that the package ships: "
            f"{', '.join(weights.list())}"
        )
    task, codec, classes, _ = weights.load(name)
    origin = task.origin.state or {}
    return Network(torch.no_grad()(task), codec, make_form(origin.get("signal_form")), classes)
