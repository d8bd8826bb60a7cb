"""A run as its folder shows it: logs, configuration, environment and state."""

import json
import os
import platform
import statistics
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from lossy_lightning.core import InputError

Curve = list[tuple[float, float]]
"""Epoch (or step, if no epoch was logged) and value of each point."""

FOLDS = {"fold", "test_fold"}
"""Names of arguments that choose the part of the data that is held out."""
_EVENTS = "events.out.tfevents.*"
_SILENT_SECONDS = 600


class State(StrEnum):
    """The state of a run."""

    FINISHED = "finished"
    RUNNING = "running"
    BROKEN = "broken"  # failed, interrupted, killed, or its files cannot be read
    FOREIGN = "foreign"  # not made by `lossy-lightning`: no environment.json gives its state


@dataclass(frozen=True)
class Run:
    """One training or test, read from its folder or a file of results.

    Attributes:
        path: The folder; for a run from a file of results, its name below that file.
        state: Its state.
        reason: Why it is not finished; empty if it is.
        notes: Oddities that did not prevent reading.
        seed: What `seed_everything` was given.
        fold: Part of the data that is held out, if the configuration names one.
        figures: The last value of each logged name; of ``speed/…`` the median over the epochs after the first.
        config: What `LightningCLI` saved, empty if there is none.
        environment: What `Provenance` wrote, empty if there is none.
        curves: All points of each logged name, empty if read from a file of results.
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
        return path.parent.name if path.name.startswith("version_") else path.name


def find_runs(folders: Iterable[Path | str]) -> list[Path]:
    """Folders of runs at and below the given ones, each once; a given folder without runs is kept, so that it is shown.

    Raises:
        ValueError: If a folder does not exist.
    """
    found: dict[Path, Path] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder; give folders of logged runs, such as runs/, or files of results")
        marks = [path for pattern in (_EVENTS, "config.yaml", "environment.json") for path in folder.rglob(pattern)]
        for path in sorted({mark.parent for mark in marks}) or [folder]:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def read_run(path: Path | str) -> Run:
    """Read a folder; whatever is in it, this does not raise.

    Args:
        path: Folder with TensorBoard's event files, ``config.yaml`` and ``environment.json``, if they exist.
    """
    path = Path(path)
    problems: list[str] = []
    config = _read_mapping(path / "config.yaml", yaml.safe_load, problems)
    environment = _read_mapping(path / "environment.json", json.loads, problems)
    events = sorted(path.glob(_EVENTS))
    curves: dict[str, Curve] = {}
    try:
        curves = _curves(path) if events else {}
    except Exception as error:  # whatever a parser says to bytes that are no events
        problems.append(f"the event files cannot be read: {type(error).__name__}: {error}")
    damaged = [problem for problem in map(_damage, events) if problem]
    state, reason = _state(environment, events, problems, damaged)
    return Run(
        path, state, reason, tuple(damaged), _seed(config, environment), _fold(config), _figures(curves),
        config, environment, curves,
    )  # fmt: skip


def _state(
    environment: dict[str, Any], events: list[Path], problems: list[str], damaged: list[str]
) -> tuple[State, str]:
    if problems:
        return State.BROKEN, "; ".join(problems)
    said = environment.get("state")
    if said == "running" and _alive(environment, events):
        return State.RUNNING, f"since {environment.get('started')}"  # its last record may be half written
    if damaged:
        return State.BROKEN, "; ".join(damaged)
    if said == "running":
        return State.BROKEN, "its process is gone without a word: killed, or the machine stopped"
    if said in ("failed", "interrupted"):
        return State.BROKEN, ": ".join(filter(None, (said, environment.get("error"))))
    if said not in (None, "finished"):
        return State.BROKEN, f"environment.json says {said!r}; known are running, finished, interrupted, failed"
    if not events:
        return State.FOREIGN if not environment else State.BROKEN, "there are no TensorBoard events"
    if said != "finished":
        return (
            State.FOREIGN,
            "no environment.json gives its state: not logged by lossy-lightning, or by an older one",
        )
    return State.FINISHED, ""


def _alive(environment: dict[str, Any], events: list[Path]) -> bool:
    """Whether the process lives, on its own host; elsewhere, whether something was logged lately."""
    process = environment.get("process")
    if environment.get("host") == platform.node() and isinstance(process, int):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
    return any(time.time() - path.stat().st_mtime < _SILENT_SECONDS for path in events)


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
    return next((fold for fold in (*own, *map(_fold, config.values())) if isinstance(fold, int)), None)


def _figures(curves: dict[str, Curve]) -> dict[str, float]:
    return {
        name: statistics.median(value for _, value in (curve[1:] or curve))
        if name.startswith("speed/")
        else curve[-1][1]
        for name, curve in curves.items()
    }


def _read_mapping(path: Path, parse: Any, problems: list[str]) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = parse(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        problems.append(f"{path.name} cannot be read: {type(error).__name__}: {str(error).splitlines()[0]}")
        return {}
    if not isinstance(content, dict):
        problems.append(f"{path.name} holds no names and values")
        return {}
    return content


def _curves(path: Path) -> dict[str, Curve]:
    events = EventAccumulator(str(path), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()["scalars"]
    points = {tag: [(p.step, p.value) for p in events.Scalars(tag)] for tag in tags}
    epochs = dict(points.pop("epoch", []))
    return {tag: [(epochs.get(step, step), value) for step, value in curve] for tag, curve in points.items()}


def _damage(path: Path) -> str:
    """What is wrong with the records of an event file; TensorBoard stops reading there silently.

    Source: TFRecord format: length (8 bytes), its masked CRC-32C (4), data, their masked CRC-32C (4).
    """
    size, position, count = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while position < size:
            header = file.read(12)
            if len(header) < 12:
                return f"{path.name} ends within record {count}"
            length, checksum = struct.unpack("<QI", header)
            if masked_crc32c(header[:8]) != checksum:
                return f"{path.name} is damaged at record {count}, or is no event file"
            position += 16 + length
            if position > size:
                return f"{path.name} ends within record {count}"
            file.seek(position)
            count += 1
    return "" if count else f"{path.name} is empty"
