"""``lossy-lightning report``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lossy_lightning.core import InputError
from lossy_lightning.core.files import write_atomically
from lossy_lightning.report.groups import Group, group_runs, shown
from lossy_lightning.report.results import read_runs, write_results
from lossy_lightning.report.runs import Run, State
from lossy_lightning.report.table import as_csv, as_text, chosen_columns, markdown_summary, table_rows, usual_columns

DESCRIPTION = "Compare logged runs: one table, and one page with pictures. Runs that differ only in seeds are one row."
_METRIC = "test_acc"


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where help is."""
        self.exit(2, f"{self.prog}: {message} (help: {self.prog} --help)\n")


def report(arguments: Sequence[str]) -> None:
    """Read runs, write ``results.json`` into each folder, print the table and write what is asked for.

    Raises:
        SystemExit: If an argument is wrong; the message says what to do.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    _check(options, parser)
    try:
        _report(read_runs(options.sources), options)
    except (ValueError, OSError) as error:
        parser.error(str(error))


def _report(runs: Sequence[Run], options: argparse.Namespace) -> None:
    groups = group_runs(run for run in runs if not run.empty)
    if options.metric != _METRIC:  # without tests nobody logs that one
        chosen_columns(groups, [options.metric])
    names = chosen_columns(groups, options.columns) if options.columns else usual_columns(groups, options.metric)
    for run in runs:
        _save(run)
    print(as_text(table_rows(groups, names)))
    _explain(groups)
    for run in runs:
        if run.empty:
            print(f"left out: {shown(run.path)}: {run.reason or 'it logged no figure'}")
    if options.results:
        write_results(options.results, runs)
    if options.markdown:
        write_atomically(options.markdown, markdown_summary(groups, names) + "\n")
    if options.csv:
        write_atomically(options.csv, as_csv(groups, names))
    if options.html or options.svg:
        _draw(groups, names, options)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("lossy-lightning report", description=DESCRIPTION)
    parser.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="RUN_DIR",
        help="folder of runs, searched below too, or file of results",
    )
    parser.add_argument("--columns", nargs="+", metavar="NAME", help="logged names to show, instead of the usual ones")
    parser.add_argument("--results", type=Path, metavar="FILE", help="keep figures and origin of all runs in one file")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write means, deviations and counts")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the page; needs lossy-lightning[report]")
    parser.add_argument("--svg", type=Path, metavar="FOLDER", help="write each picture as a file; needs the same")
    parser.add_argument("--metric", default=_METRIC, help="logged name that stands for accuracy (default: %(default)s)")
    return parser


def _check(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Refuse at once what could only fail after the work."""
    for name, path in vars(options).items():
        if name in ("results", "markdown", "csv", "html") and path and path.is_dir():
            parser.error(f"--{name} is {path}, a folder; give the name of a file")
    if options.svg and options.svg.is_file():
        parser.error(f"--svg is {options.svg}, a file; give the name of a folder")


def _save(run: Run) -> None:
    if not run.path.is_dir():
        return  # it came out of a file of results
    path = run.path / "results.json"
    try:
        write_results(path, [run])
    except OSError as error:  # other people's folders may be read-only
        print(f"{path} was not written: {error}", file=sys.stderr)


def _explain(groups: Sequence[Group]) -> None:
    for group in groups:
        for run in group.runs:
            if run.state is not State.FINISHED:
                print(f"{run.state}: {shown(run.path)}: {run.reason}")
            elif run.notes:
                print(f"remark: {shown(run.path)}: {'; '.join(run.notes)}")
            if run.untrained:
                print(f"no checkpoint: {shown(run.path)}: untrained weights were tested, in a row of their own")
        if len(group.counted) < len(group.done):
            repeated = f"{len(group.done) - len(group.counted)} of {len(group.done)} runs repeat a seed and fold"
            print(f"repeated: {group.name}: {repeated}; these count once, with the newest figures")


def _draw(groups: Sequence[Group], names: Sequence[str], options: argparse.Namespace) -> None:
    try:
        from lossy_lightning.report._drawing import standalone
        from lossy_lightning.report.page import as_html
        from lossy_lightning.report.plots import pictures

        if options.html:
            write_atomically(options.html, as_html(groups, names, options.metric))
        for picture in pictures(groups, options.metric) if options.svg else ():
            write_atomically(options.svg / f"{picture.name}.svg", standalone(picture))
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise InputError("pictures are drawn by Matplotlib; pip install 'lossy-lightning[report]'") from error
