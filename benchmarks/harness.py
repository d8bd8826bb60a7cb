"""What the scripts share: the runs of `experiments/`, figures that are kept, a clock, and what machine it was.

A run is told by its name in one of `experiments/*/study.yaml`, which lists the files that it merges. What it builds on
(codecs, teachers) is read off the checkpoints that its merged configuration names.
"""

import argparse
import contextlib
import functools
import json
import logging
import os
import platform
import statistics
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any

import torch
import yaml
from filelock import FileLock
from lightning.pytorch import Callback

from benchmarks.tables import update_table
from lossy_lightning.cli import LossyCLI
from lossy_lightning.report import as_markdown

ROOT = Path(__file__).parent.parent.absolute()
STUDIES = sorted((ROOT / "experiments").glob("*/study.yaml"))
_ARGUMENTS = ".*args parameter is intended.*"  # Lightning, of a script that has arguments of its own


class _Parsed(LossyCLI):
    """The command line as far as its configuration: nothing is made."""

    def instantiate_classes(self) -> None:
        """Leave it at that."""


@functools.cache
def layers() -> dict[str, list[Path]]:
    """The files that each run merges, by its name."""
    return {
        name: [(study.parent / file).resolve() for file in files]
        for study in STUDIES
        for name, files in yaml.safe_load(study.read_text()).items()
    }


def arguments(name: str) -> list[str]:
    """A run's files as the command line takes them."""
    return [part for file in layers()[name] for part in ("--config", str(file))]


@functools.cache
def config(name: str) -> dict[str, Any]:
    """A run's configuration, merged and with all defaults, as Lightning's command line has it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _ARGUMENTS)
        cli = _Parsed(args=arguments(name), run=False)
    found: dict[str, Any] = yaml.safe_load(cli.parser.dump(cli.config, skip_validation=True))
    return found


def values(told: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each single value of a configuration after its dotted name."""
    items = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else None
    if items is None:
        yield path, told
        return
    for key, value in items:
        yield from values(value, f"{path}.{key}" if path else str(key))


def foundations(name: str) -> list[str]:
    """The runs whose checkpoints a run reads: ``runs/NAME/….ckpt`` is left by the run of that name."""
    paths = [PurePath(value) for _, value in values(config(name)) if str(value).endswith(".ckpt")]
    return list(dict.fromkeys(path.parts[-2] for path in paths))


def recipe(name: str) -> str:
    """Name and fingerprint of a run and of those that it builds on: figures of another recipe do not count."""
    digest = zlib.crc32(json.dumps(config(name), sort_keys=True).encode())
    return " ".join([f"{name} {digest:08x}", *map(recipe, foundations(name))])


def fit(name: str, extra: list[str], *callbacks: Callback) -> LossyCLI:
    """Train and test a run through the command line; in and below the folder that we are in."""
    args = ["fit", *arguments(name), "--trainer.enable_progress_bar", "false", *extra]
    return LossyCLI(args=args, trainer_defaults={"callbacks": [*callbacks]})


@contextlib.contextmanager
def kept(folder: Path | None) -> Iterator[Path]:
    """The folder asked for, or a temporary one; real data stay where they are, and Lightning says less."""
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", _ARGUMENTS)
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists.*")
    if "LOSSY_DATA" in os.environ:
        os.environ["LOSSY_DATA"] = str(Path(os.environ["LOSSY_DATA"]).absolute())
    with _errors_alone("lightning.pytorch"), _errors_alone("lightning.fabric"):
        if folder is not None:
            yield folder.absolute()
            return
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)


@contextlib.contextmanager
def _errors_alone(name: str) -> Iterator[None]:
    """What a logger says below errors is left out meanwhile."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def inside(place: Path) -> Iterator[None]:
    """Work in a folder, which is made if it is not there."""
    place.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(place):
        yield


def known(done: Path) -> dict[str, Any]:
    """What a file of figures holds by now."""
    found: dict[str, Any] = json.loads(done.read_text()) if done.exists() else {}
    return found


def once(done: Path, name: str, make: Callable[[], Any]) -> Any:
    """What the file holds under this name, else what is made and then kept there."""
    there = known(done)
    return there[name] if name in there else keep(done, name, make())[name]


def keep(done: Path, name: str, figures: Any) -> dict[str, Any]:
    """What the file holds once these figures are kept in it, too; other processes may have kept some meanwhile."""
    with FileLock(done.with_suffix(".lock")):
        there = known(done) | {name: figures}
        done.with_suffix(".new").write_text(json.dumps(there, indent=1))
        done.with_suffix(".new").replace(done)
    return there


def positive(text: str) -> int:
    """A number of the command line, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number, 1 or more, is expected; got {text!r}")
    return int(text)


def parser(description: str | None) -> argparse.ArgumentParser:
    """A script's arguments, explained by its docstring."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def study_parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments that studies have, whose finished runs are kept in a folder; explained by the script's docstring."""
    given = parser(description)
    given.add_argument("--precision", default=precision(), help="Lightning's, of training; default here: %(default)s")
    given.add_argument("--folder", type=Path, help="where networks, codes and figures are kept")
    given.add_argument("--finished", action="store_true", help="run nothing; show what is there")
    given.add_argument("--results", type=Path, metavar="FILE", help="figures, in place of those in the folder")
    given.add_argument("--update", type=Path, metavar="FILE", help="put the tables into this document, too")
    return given


def seconds(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Time that a call takes, by default by the clock; `time.process_time` counts that of the processor."""
    start = clock()
    call()
    return clock() - start


def spread(values: list[float], digits: int = 2) -> str:
    """Mean and standard deviation."""
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{deviation}"


def machine() -> str:
    """What times depend on: processor, its vector instructions, threads, GPU, and what else ran."""
    told = _processor("model name") or platform.processor() or platform.machine()
    flags = _processor("flags").split()
    sets = {"AVX2": "avx2", "AVX-512": "avx512f", "bf16": "avx512_bf16", "AMX bf16": "amx_bf16"}
    vectors = ", ".join(name for name, flag in sets.items() if flag in flags) or "no AVX2"
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{told} ({vectors}){gpu}, {torch.get_num_threads()} thread(s), load {os.getloadavg()[0]:.1f}"


def _processor(field: str) -> str:
    """What Linux tells of the first processor."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(field):
                return line.partition(":")[2].strip()
    return ""


def precision() -> str:
    """Lightning's name of the precision to train in: bfloat16 only if there are instructions for it.

    Without them torch emulates bfloat16, more than ten times as slowly as it computes float32.
    """
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    return "bf16-mixed" if {"avx512_bf16", "amx_bf16"} & {*_processor("flags").split()} else "32-true"


def show(rows: list[list[str]], note: str, document: Path | None, name: str) -> None:
    """Print a table and the line below it, and put both into their place in a document, if there is one."""
    text = f"{as_markdown(rows)}\n\n{note}"
    print(text, flush=True)
    if document:
        update_table(document, name, text)
