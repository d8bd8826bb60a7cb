"""Whether ONNX files of trained networks compute what torch does, on the test split.

    LOSSY_DATA=... python -m benchmarks.accuracy.exchange RUN_DIR ...

Each folder is one of a run of `lossy-lightning fit` (``config.yaml`` and checkpoints below it). Logits of all test
examples are compared: equal to the last bit, within 1e-4, the same class; of those that are further apart, how near to
0 the nearest value before a sign is. Then one example alone, on one thread: torch, with Brevitas's modules, and
onnxruntime.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import yaml
from jsonargparse import ArgumentParser
from torch import Tensor, nn

from benchmarks.harness import machine
from lossy_lightning.core.origin import data_state
from lossy_lightning.data import EncodedDataModule
from lossy_lightning.deploy import export_onnx
from lossy_lightning.tasks import ClassificationTask

_NEAR = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR")
    runs = parser.parse_args().runs
    torch.set_num_threads(1)
    print("| network | test examples | equal | within 1e-4 | same class | torch ms | onnxruntime ms |")
    print("|---|---|---|---|---|---|---|")
    for run in runs:
        print(row(run), flush=True)
    print(f"\n{machine()}")


def row(run: Path) -> str:
    checkpoint = max(run.rglob("*.ckpt"), key=lambda path: path.stat().st_mtime)
    task = ClassificationTask.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True).eval()
    code = test_codes(run, checkpoint)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        export_onnx(task, Path(folder, "network.onnx"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(Path(folder, "network.onnx"), options)
        want = np.concatenate([task(part).numpy() for part in code.split(64)])
        got = np.concatenate([session.run(None, {"code": part.numpy()})[0] for part in code.split(64)])
        far = np.flatnonzero(np.abs(got - want).max(1) > _NEAR)
        for example in far:
            nearest = nearest_to_sign(task, code[example : example + 1])
            print(f"<!-- {run}: example {example}, {np.abs(got - want)[example].max():.2g}, nearest {nearest:.2g} -->")
        one = code[:1].contiguous()
        times = median(lambda: task(one)), median(lambda: session.run(None, {"code": one.numpy()}))
    equal = (got == want).all(1).mean()
    name = yaml.safe_load((run / "config.yaml").read_text())["trainer"]["logger"]["init_args"]["name"]
    same = (got.argmax(1) == want.argmax(1)).mean()
    near = 1 - len(far) / len(code)
    return f"| `{name}` | {len(code)} | {equal:.2%} | {near:.2%} | {same:.2%} | {times[0]:.2f} | {times[1]:.2f} |"


def test_codes(run: Path, checkpoint: Path) -> Tensor:
    """Codes of the test split, through the codec of the checkpoint."""
    parser = ArgumentParser()
    parser.add_subclass_arguments(EncodedDataModule, "data")
    config = yaml.safe_load((run / "config.yaml").read_text())["data"]
    config["init_args"].pop("skip_bad", None)  # of earlier versions
    data: Any = parser.instantiate_classes(parser.parse_object({"data": config})).data
    state = data_state(torch.load(checkpoint, map_location="cpu", weights_only=True))
    assert state is not None
    data.codecs.load_state_dict(state["codecs"])
    data.prepare_data()
    data.setup("test")
    return torch.cat([code for code, *_ in data.test_dataloader()])


def nearest_to_sign(task: nn.Module, code: Tensor) -> float:
    """Least magnitude of what comes before a sign; zeros are padding."""
    found: list[float] = []

    def see(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        values = arguments[0].abs()
        found.append(float(values[values > 0].min()))

    layers = [layer for layer in task.modules() if "input_bit_width=1," in f"{layer!r},".replace(")", ",")]
    hooks = [layer.register_forward_pre_hook(see) for layer in layers if repr(layer).startswith("Quant")]
    task(code)
    for hook in hooks:
        hook.remove()
    return min(found)


def median(run: Callable[[], Any]) -> float:
    """Milliseconds of a call."""
    times = []
    for _ in range(30):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[5:])


if __name__ == "__main__":
    main()
