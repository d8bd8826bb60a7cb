"""Epochs of shards that come over a slow link, and their picture."""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.speed._streaming_peers import WORKERS, decoded
from lossy_lightning.data import ShardedCodes
from lossy_lightning.data.shards._store import Store, Stored

RATES = (10e6, 50e6)
"""Bytes a second."""


@contextmanager
def slow(folder: Path, rate: float, **options: Any) -> Iterator[ShardedCodes]:
    """Shards whose bytes come at a rate, chunk after chunk, into an empty cache.

    Args:
        folder: Of the shards.
        rate: Bytes a second.
        options: As of `ShardedCodes`.
    """
    link = threading.Lock()

    def fetch(self: Store, file: Stored, local: Path) -> None:
        local.parent.mkdir(parents=True, exist_ok=True)
        with link:
            time.sleep(file.num_bytes / rate)
        shutil.copy(self.url.removeprefix("s3://") + "/" + file.name, local)

    def read(self: Store, name: str) -> bytes:
        return Path(self.url.removeprefix("s3://"), name).read_bytes()

    with tempfile.TemporaryDirectory() as cache, patch.object(Store, "fetch", fetch), patch.object(Store, "read", read):
        yield ShardedCodes(f"s3://{folder}", cache_dir=cache, batch_size=256, num_workers=WORKERS, **options)


def decoding(data: ShardedCodes) -> Iterator[tuple[list[torch.Tensor]]]:
    """Batches of pixels of the same files, which libjpeg decodes in as many threads."""
    loader: Any = data.train_dataloader()
    reading = loader.dataset
    files = reading.source
    with ThreadPoolExecutor(WORKERS) as pool:
        for places in loader.batch_sampler:
            indices = [index for _, index in places]
            for number in np.unique(files.chunks.find(np.array(indices))[0]):
                files.chunks.open(int(number), reading.key.of(places[0][0]))
            yield (list(pool.map(lambda index: decoded(files.content(index)), indices)),)


def draw(path: Path, figures: dict[str, dict[str, list[float]]]) -> None:
    """Bars of images a second.

    Args:
        path: Of the picture, SVG.
        figures: By data set and by what is sent, images a second at each of `RATES`.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "streaming", "font.size": 9}):
        figure = Figure(figsize=(7, 2.6), layout="constrained")
        for axes, (name, rows) in zip(figure.subplots(1, len(figures)), figures.items(), strict=True):
            for i, rate in enumerate(RATES):
                places = [j + 0.4 * i - 0.2 for j in range(len(rows))]
                bars = axes.barh(places, [values[i] for values in rows.values()], 0.36, label=f"{rate / 1e6:.0f} MB/s")
                axes.bar_label(bars, [f" {values[i]:,.0f}".replace(",", " ") for values in rows.values()], fontsize=7)
            axes.set_yticks(range(len(rows)), rows)
            axes.invert_yaxis()
            axes.margins(x=0.2)
            axes.set_title(name)
            axes.set_xlabel("images/s")
            axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, title="link", fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None})
