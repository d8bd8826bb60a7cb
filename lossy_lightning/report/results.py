"""Results of many runs in one file, which is read in place of their folders."""

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

from lossy_lightning.core import InputError
from lossy_lightning.core.files import write_atomically
from lossy_lightning.report._logs import plain_name
from lossy_lightning.report._values import plain
from lossy_lightning.report.groups import experiment, without_folders
from lossy_lightning.report.runs import Run, State, checked_environment, find_runs, read_run

_OF_THE_MACHINE = {"host", "process", "system", "state"}
"""Names of an environment that are not kept; the run itself has its state."""


def read_runs(sources: Iterable[Path | str]) -> list[Run]:
    """The runs of some files of results, and those at and below some folders; a copy of a run is left out.

    Folders that several loggers wrote for one run are one run: `Provenance` tells them by ``run`` in each.

    Raises:
        TypeError: If one path is given instead of a list.
        ValueError: If a source does not exist, or a file holds anything else.
    """
    if isinstance(sources, str | Path):
        raise TypeError(f"sources is the path {str(sources)!r}; give a list, such as [{str(sources)!r}]")
    paths = [Path(source) for source in sources]
    runs = [run for path in paths if path.is_file() for run in read_results(path)]
    runs += _joined([read_run(path) for path in find_runs(path for path in paths if not path.is_file())])
    return list({_identity(run): run for run in runs}.values())  # of copies the last: folders know curves, files do not


def _joined(runs: Iterable[Run]) -> list[Run]:
    """Runs, the folders of one run as one."""
    folders: dict[str, list[Run]] = {}
    for run in runs:
        folders.setdefault(str(run.environment.get("run") or id(run)), []).append(run)
    return [reduce(_join, sorted(parts, key=_soundness)) for parts in folders.values()]


def _soundness(run: Run) -> tuple[bool, bool, bool]:
    """The folder that stands for its run: one that was read whole, with figures and a configuration if possible."""
    return run.state is State.BROKEN, not run.figures, not run.config


def _join(run: Run, other: Run) -> Run:
    """One run with what another logger kept, too."""
    notes = dict.fromkeys([*run.notes, *other.notes, *([other.reason] if other.state is not run.state else [])])
    seed, fold = (other.seed if run.seed is None else run.seed), (other.fold if run.fold is None else run.fold)
    known = {plain_name(name) for name in run.figures}
    new = [name for name in other.figures if plain_name(name) not in known]
    return replace(
        run,
        notes=tuple(filter(None, notes)),
        seed=seed,
        fold=fold,
        figures=run.figures | {name: other.figures[name] for name in new},
        curves=run.curves | {name: other.curves[name] for name in new},
        config=run.config or other.config,
    )


def _identity(run: Run) -> str:
    """What a run shares with its copies only; a run without a start time shares nothing."""
    return json.dumps(as_json(run), sort_keys=True) if "started" in run.environment else str(id(run))


def as_json(run: Run) -> dict[str, Any]:
    """What a report keeps of a run: all but the curves, and without the names of the machine and its folders."""
    content = {
        "name": run.name,
        "state": run.state.value,
        "reason": run.reason,
        "notes": list(run.notes),
        "seed": run.seed,
        "fold": run.fold,
        "figures": {name: _json_number(value) for name, value in run.figures.items()},
        "config": experiment(run.config),
        "environment": _kept(run.environment),
    }
    return {name: _cut(value) for name, value in content.items()}


def _json_number(value: float) -> float | str:
    """JSON has no word for NaN and infinity; `float` reads these."""
    return value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _cut(value: Any) -> Any:
    """A value whose texts name no folder of this machine; its names stay, or two could become one."""
    match value:
        case dict():
            return {name: _cut(item) for name, item in value.items()}
        case list():
            return [_cut(item) for item in value]
        case str():
            return without_folders(value)
    return value


def _kept(environment: Any) -> Any:
    if isinstance(environment, dict):
        return {name: _kept(value) for name, value in environment.items() if name not in _OF_THE_MACHINE}
    return environment


def write_results(path: Path | str, runs: Iterable[Run]) -> None:
    """Write the results of runs, one a line."""
    lines = ",\n".join(json.dumps(as_json(run), ensure_ascii=False) for run in runs)
    write_atomically(Path(path), f"[\n{lines}\n]\n")


def read_results(path: Path | str) -> list[Run]:
    """The runs of a file of results.

    Raises:
        ValueError: If the file holds anything else.
    """
    path = Path(path)
    try:
        return [_run(path, content) for content in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path} holds no results of runs ({type(error).__name__}: {error}); "
            "such a file is written by lossy-lightning report RUN_DIR --results FILE"
        ) from error


def _run(path: Path, content: dict[str, Any]) -> Run:
    head = path / content["name"], State(content["state"]), str(content["reason"]), tuple(map(str, content["notes"]))
    seed, fold = (_checked(content[name], int | None, name) for name in ("seed", "fold"))
    figures = {name: float(value) for name, value in content["figures"].items()}
    config, environment = (_checked(content[name], dict, name) for name in ("config", "environment"))
    return Run(*head, seed, fold, figures, plain(config), checked_environment(plain(environment))[0])


def _checked(value: Any, kind: Any, name: str) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {value!r}")
    return value
