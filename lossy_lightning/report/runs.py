"""A run as its folder shows it: logs, configuration, environment and state."""

import json
import math
import os
import platform
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lossy_lightning.core import InputError
from lossy_lightning.report._logs import CSV, EVENTS, WANDB, Curve, read_logs
from lossy_lightning.report._values import parse_yaml, plain, writable

FOLDS = {"fold", "test_fold"}
"""Names of arguments that choose the part of the data that is held out."""
_MARKS = (EVENTS, CSV, WANDB, "config.yaml", "environment.json")
_SILENT_SECONDS = 600


class State(StrEnum):
    """The state of a run."""

    FINISHED = "finished"
    RUNNING = "running"
    BROKEN = "broken"  # failed, interrupted, killed, or its files cannot be read
    FOREIGN = "foreign"  # not made by `lossy-lightning`: no environment.json gives its state


@dataclass(frozen=True)
class Run:
    r"""One training or test, read from its folder or a file of results.

    Attributes:
        path: The folder; for a run from a file of results, its name below that file; of several loggers' the first.
        state: Its state.
        reason: Why it is not finished; empty if it is.
        notes: Oddities that did not prevent reading.
        seed: What `seed_everything` was given.
        fold: Part of the data that is held out, if the configuration names one.
        figures: The last value of each logged name; of ``speed/…`` the median over the epochs after the first.
        config: What `LightningCLI` saved, empty if there is none.
        environment: What `Provenance` wrote, empty if there is none.
        curves: All points of each logged name, empty if read from a file of results.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "metrics.csv").write_text("epoch,step,val_acc\n0,9,0.5\n1,19,0.75\n")
        ...     _ = Path(folder, "config.yaml").write_text("seed_everything: 3")
        ...     run = read_run(folder)
        >>> run.seed, run.figures["val_acc"], run.curves["val_acc"], run.state.value
        (3, 0.75, [(0.0, 0.5), (1.0, 0.75)], 'foreign')
    """

    path: Path
    state: State
    reason: str = ""
    notes: tuple[str, ...] = ()
    seed: int | None = None
    fold: int | None = None
    figures: dict[str, float] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's name, or its parent's if that is a logger's ``version_<n>``."""
        path = self.path.absolute()
        name = path.parent.name if path.name.startswith("version_") else path.name
        return os.fsencode(name).decode(errors="replace")  # a folder's name need not be text

    @property
    def empty(self) -> bool:
        """Whether it ended well, or is nobody's, and has no figure: a prediction, or no run at all."""
        return not self.figures and self.state in (State.FINISHED, State.FOREIGN)

    @property
    def untrained(self) -> bool:
        """Whether weights were tested that neither this run trained nor a checkpoint gave."""
        if "tested_epoch" in self.figures:
            return self.figures["tested_epoch"] < 0
        stages = self.environment.get("stages")
        if not self.figures or not isinstance(stages, dict) or "fit" in stages:
            return False  # a test that was refused tested nothing
        return any(stages.get(stage, "") is None for stage in ("test", "validate"))


def find_runs(folders: Iterable[Path | str]) -> list[Path]:
    """Folders of runs at and below the given ones, each once; a given folder without runs is kept, so that it is shown.

    Raises:
        ValueError: If a folder does not exist.
    """
    found: dict[Path, Path] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder; give folders of logged runs, such as runs/, or files of results")
        marks = [path for pattern in _MARKS for path in folder.rglob(pattern)]
        for path in sorted({_run_folder(mark.parent) for mark in marks}) or [folder]:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _run_folder(folder: Path) -> Path:
    """W&B keeps other files than its log in a folder ``files`` below it."""
    return folder.parent if folder.name == "files" and any(folder.parent.glob(WANDB)) else folder


def read_run(path: Path | str) -> Run:
    """Read a folder; whatever is in it, this does not raise.

    Args:
        path: Folder with logs of TensorBoard, `CSVLogger` or W&B (offline), ``config.yaml`` and ``environment.json``,
            if they exist.
    """
    path = Path(path)
    problems: list[str] = []
    logs = read_logs(path)
    by_wandb = any(path.glob(WANDB))
    files, name = (path / "files", "lightning_config.yaml") if by_wandb else (path, "config.yaml")
    config = _read_mapping(files / name, parse_yaml, problems)
    environment = _read_mapping(files / "environment.json", json.loads, problems)
    environment, notes = checked_environment(environment)
    state, reason = _state(environment, logs.files, problems, logs.damage)
    told = tuple(map(writable, (*logs.notes, *notes)))
    return Run(
        path, state, writable(reason), told, _seed(config, environment), _fold(config), _figures(logs.curves),
        config, environment, logs.curves,
    )  # fmt: skip


def checked_environment(environment: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """An environment whose known names have values of their kinds, and what was left out for that."""
    kinds: dict[str, type] = dict.fromkeys(
        ("error", "command", "started", "ended", "precision", "devices", "host", "run"), str
    )
    kinds |= {"versions": dict, "hardware": dict, "stages": dict, "seed": int, "process": int}
    wrong = [name for name, kind in kinds.items() if not isinstance(environment.get(name), kind | None)]
    kept = {name: value for name, value in environment.items() if name not in wrong}
    return kept, [f"environment.json: {name} is no {kinds[name].__name__}, and is left out" for name in wrong]


def _state(environment: dict[str, Any], logs: list[Path], problems: list[str], damaged: list[str]) -> tuple[State, str]:
    if problems:
        return State.BROKEN, "; ".join(problems)
    said = environment.get("state")
    if said == "running" and _alive(environment, logs):
        return State.RUNNING, f"since {environment.get('started')}"  # its last record may be half written
    if damaged:
        return State.BROKEN, "; ".join(damaged)
    if said == "running":
        return State.BROKEN, "its process is gone without a word: killed, or the machine stopped"
    if said in ("failed", "interrupted"):
        return State.BROKEN, ": ".join(filter(None, (said, environment.get("error"))))
    if said not in (None, "finished"):
        return State.BROKEN, f"environment.json says {said!r}; known are running, finished, interrupted, failed"
    if not logs and set(environment.get("stages", ())) != {"predict"}:
        return State.FOREIGN if not environment else State.BROKEN, "nothing is logged: no TensorBoard, CSV or W&B file"
    if said != "finished":
        return (
            State.FOREIGN,
            "no environment.json gives its state: not logged by lossy-lightning, or by an older one",
        )
    return State.FINISHED, ""


def _alive(environment: dict[str, Any], logs: list[Path]) -> bool:
    """Whether the process lives, on its own host; elsewhere, whether something was logged lately."""
    process = environment.get("process")
    if environment.get("host") == platform.node() and isinstance(process, int) and process > 0:
        try:
            os.kill(process, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            return True
        return True
    return any(time.time() - path.stat().st_mtime < _SILENT_SECONDS for path in logs)


def _seed(config: dict[str, Any], environment: dict[str, Any]) -> int | None:
    seed = config.get("seed_everything")
    if isinstance(seed, bool) or not isinstance(seed, int):  # True is Lightning's word for "draw one"
        seed = environment.get("seed")
    return seed


def _fold(config: Any) -> int | None:
    """The first fold that a configuration names, at any depth."""
    if not isinstance(config, dict):
        return None
    own = [value for name, value in config.items() if name in FOLDS]
    return next(
        (fold for fold in (*own, *map(_fold, config.values())) if isinstance(fold, int) and not isinstance(fold, bool)),
        None,
    )


def _figures(curves: dict[str, Curve]) -> dict[str, float]:
    return {name: _median(curve) if name.startswith("speed/") else curve[-1][1] for name, curve in curves.items()}


def _median(curve: Curve) -> float:
    """The median without the first point, if there are more; NaN if one is."""
    values = [value for _, value in (curve[1:] or curve)]
    return math.nan if any(map(math.isnan, values)) else statistics.median(values)


def _read_mapping(path: Path, parse: Any, problems: list[str]) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = plain(parse(path.read_text(encoding="utf-8")))
    except Exception as error:  # whatever a parser says to somebody's file
        told = (str(error).splitlines() or [""])[0]
        problems.append(f"{path.name} cannot be read: {type(error).__name__}: {told}")
        return {}
    if not isinstance(content, dict):
        problems.append(f"{path.name} holds no names and values")
        return {}
    return content
