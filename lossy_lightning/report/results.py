"""Results of many runs in one file, which is read in place of their folders."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lossy_lightning.core import InputError
from lossy_lightning.core.files import write_atomically
from lossy_lightning.report.groups import experiment, without_folders
from lossy_lightning.report.runs import Run, State, find_runs, read_run

_OF_THE_MACHINE = {"host", "process", "system", "state"}
"""Names of an environment that are not kept; the run itself has its state."""


def read_runs(sources: Iterable[Path | str]) -> list[Run]:
    """The runs of some files of results, and those at and below some folders; a copy of a run is left out.

    Raises:
        TypeError: If one path is given instead of a list.
        ValueError: If a source does not exist, or a file holds anything else.
    """
    if isinstance(sources, str | Path):
        raise TypeError(f"sources is the path {str(sources)!r}; give a list, such as [{str(sources)!r}]")
    paths = [Path(source) for source in sources]
    runs = [run for path in paths if path.is_file() for run in read_results(path)]
    runs += [read_run(path) for path in find_runs(path for path in paths if not path.is_file())]
    return list({_identity(run): run for run in runs}.values())  # of copies the last: folders know curves, files do not


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
        "figures": run.figures,
        "config": experiment(run.config),
        "environment": _kept(run.environment),
    }
    found: dict[str, Any] = json.loads(without_folders(json.dumps(content)))
    return found


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
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} holds no results of runs ({type(error).__name__}: {error}); "
            "such a file is written by lossy-lightning report RUN_DIR --results FILE"
        ) from error


def _run(path: Path, content: dict[str, Any]) -> Run:
    head = path / content["name"], State(content["state"]), content["reason"], tuple(content["notes"])
    return Run(*head, *(content[name] for name in ("seed", "fold", "figures", "config", "environment")))
