"""Adds what making the code costs to results of runs that did not log it; costs need no training.

    LOSSY_DATA=... python -m benchmarks.encoding_costs docs/results/mnist.json ...

Each run's codec is made from its configuration, fitted to noise if it needs that, and counted. Runs that logged
`macs/encoding/…` stay as they are.
"""

from dataclasses import replace
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any

import torch
from jsonargparse import ArgumentParser

from benchmarks.harness import config, parser
from lossy_lightning.codecs import VQVAE
from lossy_lightning.core import Codec, TrainableCodec
from lossy_lightning.profiling import count_encoding_macs
from lossy_lightning.report import Run, read_results, write_results


def codec_of(told: dict[str, Any]) -> Codec:
    """The codec of a configuration, whatever its weights: one of a checkpoint as the run that left it made it."""
    arguments = told.get("init_args", {})
    if told["class_path"].endswith("VQVAE.from_checkpoint"):
        return codec_of(config(PurePath(arguments["path"]).parts[-2])["model"]["init_args"]["codec"])
    if told["class_path"].endswith("Relabeled"):  # new labels cost nothing
        return codec_of(arguments["codec"])
    options = ArgumentParser(exit_on_error=False)
    options.add_subclass_arguments(Codec, "codec", fail_untyped=False)  # the quantizers' arguments have no types
    codec: Codec = options.instantiate(options.parse_object({"codec": told})).codec
    return codec


def encoding_macs(run: Run) -> dict[int, int]:
    """MACs of making the code of one example, by bit width."""
    data = run.config["data"]
    module, _, name = data["class_path"].rpartition(".")
    shape = vars(import_module(module))[name].signal_shape or (1, 16_000)  # a word of speech
    codec = codec_of(data["init_args"]["codec"])
    draws = torch.Generator().manual_seed(0)
    low, high, dtype = (-(2**15), 2**15, torch.int16) if len(shape) == 2 else (0, 256, torch.uint8)
    noise = torch.randint(low, high, (64, *shape), generator=draws).to(dtype)
    if isinstance(codec, VQVAE):
        codec.train()(noise)  # codebooks that await their first batch
    elif isinstance(codec, TrainableCodec) and not codec.fitted:
        codec.fit([noise])
    return dict(count_encoding_macs(codec, shape))


def with_costs(run: Run) -> Run:
    """A run with the figures that the monitor logs today."""
    if "macs/encoding/32bit" in run.figures or not run.config:
        return run
    encoding = {32: 0} | encoding_macs(run)
    network = {
        int(name.removeprefix("macs/").removesuffix("bit")): value
        for name, value in run.figures.items()
        if name.startswith("macs/") and name.count("/") == 1
    }
    widths = sorted({1, 32, *encoding, *network})
    added = {f"macs/encoding/{width}bit": float(count) for width, count in encoding.items()} | {
        f"macs/sensor_to_label/{width}bit": encoding.get(width, 0) + network.get(width, 0) for width in widths
    }
    return replace(run, figures=run.figures | added)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("results", nargs="+", type=Path, help="files of results, which are written anew")
    for path in options.parse_args().results:
        write_results(path, [with_costs(run) for run in read_results(path)])


if __name__ == "__main__":
    main()
