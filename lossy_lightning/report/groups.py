"""Runs that differ only in their seeds, and mean and spread over these."""

import json
import math
import os
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from lossy_lightning.report.runs import FOLDS, Run, State

_SEEDS = {"seed_everything", "seed"} | FOLDS
_PLACES = {"logger", "default_root_dir", "cache_dir", "dirpath", "ckpt_path", "config", "test_after_fit"}
_MANNERS = {"verbose", "enable_progress_bar", "enable_model_summary", "log_every_n_steps"}
_IGNORED = _SEEDS | _PLACES | _MANNERS
"""Names that do not distinguish experiments, wherever they stand in a configuration."""


class Summary(NamedTuple):
    """Mean and sample standard deviation (``n - 1``; None for one value) of some values."""

    mean: float
    deviation: float | None
    number: int


@dataclass(frozen=True)
class Group:
    """Runs of one experiment.

    Attributes:
        name: The runs' name, with what distinguishes the experiment from others of that name.
        runs: All of them.

    Example:
        >>> runs = [Run(Path(f"run{i}"), State.FINISHED, seed=i, figures={"test_acc": 0.9 + 0.02 * i}) for i in (0, 1)]
        >>> mean, deviation, number = Group("digits", tuple(runs)).summary("test_acc")
        >>> f"{mean:.3f} ± {deviation:.3f} of {number} runs"
        '0.910 ± 0.014 of 2 runs'
    """

    name: str
    runs: tuple[Run, ...]

    @property
    def done(self) -> tuple[Run, ...]:
        """The runs that figures are taken of: finished and foreign ones, or all if there are none."""
        done = tuple(run for run in self.runs if run.state in (State.FINISHED, State.FOREIGN))
        return done or self.runs

    @property
    def counted(self) -> tuple[Run, ...]:
        """The done runs, those of one seed and fold as one: they are no independent samples.

        Such a run is the newest (by its start, or the last given if that is not known), with what only older ones
        logged. Runs without a known seed count one by one.
        """
        counted = {_sample(run): run for run in self.done}
        for run in sorted(self.done, key=lambda run: str(run.environment.get("started", ""))):
            old = counted[_sample(run)]
            counted[_sample(run)] = replace(run, figures=old.figures | run.figures, curves=old.curves | run.curves)
        return tuple(counted.values())

    def summary(self, name: str) -> Summary | None:
        """Mean and spread of a logged name; None if no counted run has it."""
        return summarize(run.figures[name] for run in self.counted if name in run.figures)

    @property
    def states(self) -> dict[str, int]:
        """Number of runs in each state."""
        return {state.value: n for state in State if (n := sum(run.state is state for run in self.runs))}


def _sample(run: Run) -> str:
    return str(id(run)) if run.seed is None else f"seed {run.seed}, fold {run.fold}"


def summarize(values: Iterable[float]) -> Summary | None:
    """Mean and spread of some values; None if there are none. One that is NaN or infinite makes the mean so.

    Example:
        >>> summarize([1.0, 2.0, 4.5])
        Summary(mean=2.5, deviation=1.8027756377319946, number=3)
        >>> summarize([1.0, float("inf")])
        Summary(mean=inf, deviation=nan, number=2)
    """
    values = list(values)
    if not values:
        return None
    spread = len(values) > 1
    try:
        return Summary(statistics.fmean(values), statistics.stdev(values) if spread else None, len(values))
    except (AttributeError, ValueError, OverflowError):  # what `statistics` says to NaN, infinities and huge numbers
        return Summary(sum(value / len(values) for value in values), math.nan if spread else None, len(values))


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Group runs of one name that differ only in seeds, folds and places; a run without configuration is its own group.

    A test of weights that no checkpoint gave never joins the runs that trained.

    Args:
        runs: In the order that the groups are to have.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        told = experiment(run.config) or len(groups)
        key = json.dumps([run.name, run.untrained, told], sort_keys=True, default=str)
        groups.setdefault(key, []).append(run)
    members = [tuple(group) for group in groups.values()]
    return [Group(name, group) for name, group in zip(_names(members), members, strict=True)]


def experiment(config: Any) -> Any:
    """A configuration without what does not distinguish experiments: seeds, places, and what is not set.

    Example:
        >>> experiment({"seed_everything": 1, "data": {"root": "/mnt/photos", "codec": {"levels": 16, "seed": 1}}})
        {'data': {'root': 'photos', 'codec': {'levels': 16}}}
    """
    match config:
        case dict():
            return {
                name: experiment(value)
                for name, value in config.items()
                if name not in _IGNORED and value is not None
            }  # fmt: skip
        case list():
            return [experiment(value) for value in config]
        case str():
            return without_folders(config)
    return config


def without_folders(text: str) -> str:
    """A text in which each absolute path is cut to its last part.

    Example:
        >>> without_folders("digits.py --folder /mnt/mine/digits --root /data --config examples/a.yaml")
        'digits.py --folder digits --root data --config examples/a.yaml'
    """
    return re.sub(r"""(?<![\w.~:/-])/(?:[^/\s'"]+/)*(?=\w)""", "", text)


def _names(groups: list[tuple[Run, ...]]) -> list[str]:
    """Names of the groups' first runs; if several share one, with up to three of their settings that differ."""
    names = [f"{group[0].name}, no checkpoint" if group[0].untrained else group[0].name for group in groups]
    settings = [dict(_leaves(experiment(group[0].config))) for group in groups]
    values: dict[str, dict[str, set[str]]] = {}
    numbers = Counter(names)
    for name, mine in zip(names, settings, strict=True):
        for key, value in mine.items():
            values.setdefault(name, {}).setdefault(key, set()).add(repr(value))
    counts = Counter((name, key) for name, mine in zip(names, settings, strict=True) for key in mine)
    full = []
    for name, mine in zip(names, settings, strict=True):
        keys = {
            key for key, found in values.get(name, {}).items() if len(found) > 1 or counts[name, key] < numbers[name]
        }
        told = [
            key for key in mine if key in keys and key.rpartition(".")[0] not in keys
        ]  # of a class, not its arguments
        described = ", ".join(f"{key.rpartition('.')[2]}={_short(mine[key])}" for key in told[:3])
        full.append(f"{name} ({described})" if described else name)
    times = Counter(full)
    return [
        name if times[name] == 1 else f"{name} ({shown(group[0].path)})"
        for name, group in zip(full, groups, strict=True)
    ]


def shown(path: Path) -> str:
    """A path as text that can be written, whatever its bytes are."""
    return os.fsencode(path).decode(errors="replace")


def labels(groups: Sequence[Group]) -> list[str]:
    """What tells each group from the others: its name without what all names begin with, or the whole name.

    Example:
        >>> labels([Group("digits (levels=16)", ()), Group("digits (levels=8)", ())]), labels([Group("digits", ())])
        (['levels=16', 'levels=8'], ['digits'])
    """
    parts = [group.name.partition(" (") for group in groups]
    if len({head for head, _, _ in parts}) == 1 and all(tail for _, _, tail in parts):
        return [tail.removesuffix(")") for _, _, tail in parts]
    return [group.name for group in groups]


def differences(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Settings that are not the same in all groups that have a configuration.

    Returns:
        Name in the configuration, such as "data.codec.levels", to the value in each group: empty if it has none.
    """
    settings = [
        {key: _short(value) for key, value in _leaves(experiment(group.runs[0].config))} if group.runs else {}
        for group in groups
    ]
    configured = [mine for mine in settings if mine]
    keys = dict.fromkeys(key for mine in configured for key in mine)
    differing = [key for key in keys if len({mine.get(key) for mine in configured}) > 1]
    return {key: [mine.get(key, "") for mine in settings] for key in differing}


def _leaves(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    items: Iterable[tuple[Any, Any]] = ()
    match config:
        case dict():
            items = config.items()
        case list() if any(isinstance(each, (dict, list)) for each in config):
            items = enumerate(config)
        case _:
            yield prefix, config
    for name, value in items:
        if name == "init_args":
            yield from _leaves(value, prefix)
        elif name == "class_path":
            yield prefix, value
        else:
            yield from _leaves(value, f"{prefix}.{name}" if prefix else str(name))


def _short(value: Any) -> str:
    text = str(value)
    return text.rpartition(".")[2] if text.replace(".", "").replace("_", "").isalpha() else text
