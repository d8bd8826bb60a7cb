"""What scripts share: a folder that keeps runs and figures and runs nothing twice, arguments, a clock, a spread."""

import argparse
import contextlib
import json
import logging
import os
import re
import statistics
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

EXAMPLES = Path(__file__).parent.parent.absolute() / "examples"


@contextlib.contextmanager
def kept(folder: Path | None) -> Iterator[Path]:
    """The folder asked for, or a temporary one; real data stay where they are, and Lightning says less."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*args parameter is intended.*")
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists.*")
    if "LOSSY_DATA" in os.environ:
        os.environ["LOSSY_DATA"] = str(Path(os.environ["LOSSY_DATA"]).absolute())
    if folder is not None:
        yield folder.absolute()
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def foundations(example: str) -> list[str]:
    """Examples whose checkpoints an example reads: codecs, teachers."""
    found = re.findall(r"runs/(\w+)/\w+\.ckpt", (EXAMPLES / f"{example}.yaml").read_text())
    return [name for name in found if name != example]


def recipe(example: str) -> str:
    """Name and fingerprint of an example and of those that it builds on: figures of another recipe do not count."""
    digest = zlib.crc32((EXAMPLES / f"{example}.yaml").read_bytes())
    return " ".join([f"{example} {digest:08x}", *map(recipe, foundations(example))])


def once(done: Path, name: str, make: Callable[[], Any]) -> Any:
    """What the file holds under this name, else what is made and then kept there."""
    known = json.loads(done.read_text()) if done.exists() else {}
    if name not in known:
        found = make()
        # What is made, and other processes, may have kept figures of their own.
        with FileLock(done.with_suffix(".lock")):
            known = (json.loads(done.read_text()) if done.exists() else {}) | {name: found}
            done.with_suffix(".new").write_text(json.dumps(known, indent=1))
            done.with_suffix(".new").replace(done)
    return known[name]


def positive(text: str) -> int:
    """A number of the command line, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number, 1 or more, is expected; got {text!r}")
    return int(text)


def seconds(call: Callable[[], object]) -> float:
    """Time that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{deviation}"
