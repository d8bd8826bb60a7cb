"""Mutated files through the readers, in a process of its own, so that a crash ends it and not the tests.

    python -m tests.bitstream.fuzz mp3 50000 [--seed 1] [--plain]

Each mutant is read, strictly and leniently, and checked; what is neither read nor a ValueError that names a byte, or
takes two seconds, ends the run, and so does a crash. The branches of the compiled code are counted (`branch_counts`):
mutants that reach one that none has reached, or one more often, are mutated further. In the end the coverage of each
module is printed. With ``--plain`` nothing is counted, which saves half a minute of compiling. Readers are those that a
module ``<name>_mutations`` stands here for: it makes files, changes and checks them.
"""

import argparse
import random
import signal
import time
from importlib import import_module
from pathlib import Path

import numpy as np

from . import branch_counts

READERS = sorted(path.name.removesuffix("_mutations.py") for path in Path(__file__).parent.glob("*_mutations.py"))
_MOST_SECONDS = 2.0


def run(reader: str, count: int, seed: int, counted: bool) -> None:
    """Read ``count`` mutants of a reader's files; print how many were read, the slowest, and the coverage."""
    if counted:
        branch_counts.count_branches()
    target = import_module(f".{reader}_mutations", __package__)
    generator, originals = random.Random(seed), target.originals()
    files, longest, read, slowest = list(originals), 2 * max(map(len, originals)), 0, 0.0
    counts = branch_counts.COUNTS[: len(branch_counts.PLACES)]
    reached = np.zeros(counts.shape, np.uint32)  # bit k: taken 2**k to 2**(k + 1) - 1 times by one mutant
    for i in range(-len(originals), count):
        data = originals[i] if i < 0 else target.mutated(generator.choice(files), generator, files)
        counts[:] = 0
        # A reader that hangs does not come back to Python: the system ends the process.
        signal.setitimer(signal.ITIMER_VIRTUAL, 600 if i < 0 else _MOST_SECONDS * 4)
        start = time.process_time()
        try:
            read += target.check(data, generator)
        except BaseException as error:
            error.add_note(f"mutant {i}: {data.hex()}")
            raise
        took = time.process_time() - start
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if i >= 0:
            slowest = max(slowest, took)
            assert took < _MOST_SECONDS, f"mutant {i} took {took:.1f} s: {data.hex()}"
        if counted:
            new = _orders(counts) & ~reached
            if new.any():
                reached |= new
                if i >= 0 and 0 < len(data) <= longest:
                    files.append(data)
        if i + 1 == count or (i > 0 and i % 100_000 == 0):
            kept = len(files) - len(originals)
            print(f"{reader}: {i + 1} mutants, {read} read, {kept} kept, slowest {slowest:.3f} s", flush=True)
    if counted:
        print(branch_counts.coverage(reached > 0, target.KERNELS))


def _orders(counts: np.ndarray) -> np.ndarray:
    """The bit of each count's order of magnitude, at most the ninth; 0 for none."""
    orders = np.frexp(counts.astype(np.float32))[1]
    return np.where(counts > 0, np.uint32(1) << np.minimum(orders, 8).astype(np.uint32), np.uint32(0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("count", type=int, help="number of mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="count no branches")
    given = parser.parse_args()
    run(given.reader, given.count, given.seed, not given.plain)


if __name__ == "__main__":
    main()
