"""Time to fetch coded MNIST batches beside that of the training step which they feed, one thread, no workers.

The step is forward, backward and Adam of the 196-64-64-10 network that is binary from its very input, batch 64.
Prints medians in milliseconds and their ratio. Run: ``LOSSY_DATA=... python -m benchmarks.speed.fetching``
"""

import statistics
import time
from functools import partial

import torch

from benchmarks.harness import machine
from lossy_lightning.codecs import VQ
from lossy_lightning.data import MNIST
from lossy_lightning.nn import MLP, Bits
from lossy_lightning.tasks import ClassificationTask

BATCHES = 800
WARM_UP = 50


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = MNIST(VQ((4, 4), levels=16), batch_size=64)
    data.prepare_data()
    task = ClassificationTask(data.spec, data.num_classes, stem=Bits, backbone=partial(MLP, hidden_features=(64, 64)))
    optimizer = torch.optim.Adam(task.parameters(), lr=1e-3)
    fetching, stepping = [], []
    batches = iter(data.train_dataloader())
    for _ in range(BATCHES):
        start = time.perf_counter()
        code, target = next(batches)
        fetched = time.perf_counter()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(task(code), target).backward()
        optimizer.step()
        fetching.append(1e3 * (fetched - start))
        stepping.append(1e3 * (time.perf_counter() - fetched))
    fetch, step = (statistics.median(times[WARM_UP:]) for times in (fetching, stepping))
    codes = data.train_dataloader().dataset.codes
    print(f"fetching a batch of 64: {fetch:.3f} ms; training step: {step:.3f} ms; ratio {100 * fetch / step:.1f} %")
    print(f"measured on {machine()}")
    print(f"memory: {codes.nbytes / len(codes):.0f} bytes an image")


if __name__ == "__main__":
    main()
