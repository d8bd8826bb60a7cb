"""Memory and time of crops of large photos, read straight to codes by two threads.

Writes forty photos of twelve megapixels, baseline or progressive, and reads them in batches of 16 crops of 224 pixels.
Memory is the peak of the proportional set size (PSS) of the process, and of its children if there were any, less what
it was after the import. Linux only.

    python -m benchmarks.speed.folder_memory [--progressive] [--crop 224]
"""

import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.harness import machine, parser

COUNT, HEIGHT, WIDTH = 40, 3000, 4000
BATCH_SIZE, WORKERS = 16, 2


def write_photos(folder: Path, progressive: bool) -> int:
    """Photos of smooth colours and noise, in two classes; their bytes."""
    for split, count in (("train", COUNT), ("test", 2)):
        for i in range(count):
            rng = np.random.default_rng(i)
            small = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
            pixels = np.asarray(small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.int16)
            noisy = (pixels + rng.integers(-12, 13, (HEIGHT, WIDTH, 1))).clip(0, 255).astype(np.uint8)
            path = folder / split / "ab"[i % 2] / f"{i:02}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noisy).save(path, quality=75, subsampling="4:2:0", progressive=progressive)
    return sum(path.stat().st_size for path in folder.glob("train/*/*"))


def pss() -> float:
    """Proportional set size of this process and its children, in MB."""
    own = os.getpid()
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    lines = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in (str(own), *children)]
    return sum(int(text.split("Pss:")[1].split()[0]) for text in lines) * 1024 / 1e6


class Peak(threading.Thread):
    """Greatest PSS, looked at every few milliseconds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.running = pss(), True

    def run(self) -> None:
        """Look until told to stop."""
        while self.running:
            self.most = max(self.most, pss())
            time.sleep(0.005)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--progressive", action="store_true", help="write progressive files")
    arguments.add_argument("--crop", type=int, default=224, help="pixels; 0 for whole images")
    given = arguments.parse_args()
    from lossy_lightning.codecs import JPEG
    from lossy_lightning.data import JPEGFolder

    with tempfile.TemporaryDirectory() as folder:
        size = write_photos(Path(folder), given.progressive)
        data = JPEGFolder(
            JPEG(75), folder, given.crop or None, batch_size=BATCH_SIZE, num_workers=WORKERS, val_fraction=0
        )
        loader = data.loader(data.codes("train"), "train")
        before, peak, start = pss(), Peak(), time.perf_counter()
        peak.start()
        shapes = [tuple(code.shape) for code, *_ in loader]
        taken = time.perf_counter() - start
        peak.running = False
        peak.join()
    print(f"{COUNT} photos of {WIDTH} x {HEIGHT}, {size / 1e6:.0f} MB; batches {shapes}")
    print(f"peak {peak.most - before:.0f} MB above the {before:.0f} MB after the import; {taken:.2f} s")
    print(machine())


if __name__ == "__main__":
    main()
