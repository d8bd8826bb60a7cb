"""What `ComplexityMonitor` adds to a training: CPU time of its measurements beside that of training steps.

CPU time rather than wall-clock time, and medians, so that a busy machine matters less; random codes, one thread. The
first measurement also prints the table and pays for what is done once; there is one a training epoch. Targets: 1 % of
100 steps of `cifar10_unfold` at batch 64, and 25 ms for `digits_vq_bnn`. Run: ``python -m benchmarks.speed.monitor``
"""

import contextlib
import io
import statistics
import time
from functools import partial
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.harness import kept, machine, parser, show
from lossy_lightning.callbacks import ComplexityMonitor
from lossy_lightning.codecs import JPEG, VQ
from lossy_lightning.core import CodeSpec
from lossy_lightning.nn import MLP, InverseDCT, LookupLinear, ResNet
from lossy_lightning.tasks import ClassificationTask

BATCH, BATCHES = 64, 4


class Clock(Callback):
    """Notes the CPU time of each step, from its start to its end."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.start = 0.0

    def on_train_batch_start(self, *args: Any) -> None:
        """Read the clock."""
        self.start = time.process_time()

    def on_train_batch_end(self, *args: Any) -> None:
        """Read it again."""
        self.steps.append(1e3 * (time.process_time() - self.start))


class Timed(ComplexityMonitor):
    """Notes the CPU time of each measurement."""

    def __init__(self) -> None:
        super().__init__()
        self.measurements: list[float] = []

    def on_train_batch_start(self, *args: Any) -> None:
        """Measure between two readings of the clock."""
        start = time.process_time()
        super().on_train_batch_start(*args)
        if args[3] == 0:
            self.measurements.append(1e3 * (time.process_time() - start))


def cifar10_unfold() -> ClassificationTask:
    """The network of the example of that name."""
    spec = JPEG(quality=75, chroma_subsampling="4:4:4").spec((3, 32, 32))
    backbone = partial(
        ResNet,
        depths=(1, 1, 1),
        widths=(32, 64, 96),
        strides=(1, 2, 2),
        bottleneck=False,
        entry_kernel=3,
        entry_stride=1,
        entry_pool=False,
    )
    return ClassificationTask(spec, 10, stem=partial(InverseDCT, factor=4, rgb=True), backbone=backbone)


def digits_vq_bnn() -> ClassificationTask:
    """The network of the example of that name."""
    spec = VQ((2, 2), levels=16).spec((1, 8, 8))
    backbone = partial(MLP, hidden_features=(64,), input_norm=True)
    return ClassificationTask(spec, 10, stem=partial(LookupLinear, out_features=64), backbone=backbone)


def random_codes(spec: CodeSpec) -> Tensor:
    """As many codes as an epoch takes."""
    grid = [size for size in spec.grid if size is not None]
    shape = (BATCH * BATCHES, len(spec.low), *grid)
    low, high = (torch.tensor(end).view(1, -1, *(1 for _ in grid)) for end in (spec.low, spec.high))
    return (low + torch.rand(shape) * (high - low)).round().to(spec.dtype)


def timed(task: ClassificationTask, epochs: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each measurement and of each step."""
    data = TensorDataset(random_codes(task.spec), torch.randint(10, (BATCH * BATCHES,)))
    monitor, clock = Timed(), Clock()
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        callbacks=[monitor, clock],
    )
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.fit(task, DataLoader(data, BATCH))
    return monitor.measurements, clock.steps


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--epochs", type=int, default=8)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = [["network", "first measurement, ms", "later ones, ms", "step, ms", "share of 100 steps, %"]]
    epochs = options.parse_args().epochs
    with kept(None):
        for make in (digits_vq_bnn, cifar10_unfold):
            measurements, steps = timed(make(), epochs)
            later, step = statistics.median(measurements[1:]), statistics.median(steps)
            share = later / step  # milliseconds of one in per cent of a hundred
            rows.append([make.__name__, f"{measurements[0]:.1f}", f"{later:.1f}", f"{step:.1f}", f"{share:.2f}"])
    show(rows, f"CPU time, batch {BATCH}, on {machine()}", None, "")


if __name__ == "__main__":
    main()
