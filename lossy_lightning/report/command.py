"""``lossy-lightning report``."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from lossy_lightning.callbacks.provenance import write_atomically
from lossy_lightning.report.groups import Group, group_runs
from lossy_lightning.report.runs import Run, State, find_runs, read_run
from lossy_lightning.report.table import as_csv, as_markdown, as_text, provenance, table_rows

DESCRIPTION = "Compare logged runs: one table, and one page with pictures. Runs that differ only in seeds are one row."


def report(arguments: Sequence[str]) -> None:
    """Read runs, write ``results.json`` into each folder, print the table and write what is asked for.

    Raises:
        SystemExit: Where an argument is wrong; the message says what to do.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        runs = [read_run(path) for path in find_runs(options.folders)]
        groups = group_runs(runs)
        for run in runs:
            _save(run)
        print(as_text(table_rows(groups, options.metric)))
        _explain(runs)
        _write(groups, options)
    except (ValueError, OSError) as error:
        parser.error(str(error))


def update_table(path: Path, name: str, content: str) -> None:
    """Put a table between ``<!-- table NAME -->`` and ``<!-- end of table -->`` of a Markdown file.

    Raises:
        ValueError: Where the file has no such place.
    """
    text = path.read_text(encoding="utf-8")
    start, end = f"<!-- table {name} -->", "<!-- end of table -->"
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{path} has no lines {start!r} and {end!r} with the table between them; add them once")
    write_atomically(path, f"{before}{start}\n\n{content}\n\n{end}{after}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("lossy-lightning report", description=DESCRIPTION)
    parser.add_argument("folders", nargs="+", type=Path, metavar="RUN_DIR", help="folders of runs, searched below too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write means, deviations and counts")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the page; needs lossy-lightning[report]")
    parser.add_argument("--svg", type=Path, metavar="FOLDER", help="write each picture as a file; needs the same")
    parser.add_argument(
        "--update",
        nargs=2,
        metavar=("FILE", "NAME"),
        help="put the table into a Markdown file, where it names the table",
    )
    parser.add_argument(
        "--metric", default="test_acc", help="logged name that stands for accuracy (default: %(default)s)"
    )
    return parser


def _save(run: Run) -> None:
    path = run.path / "results.json"
    try:
        write_atomically(path, json.dumps(run.as_json(), indent=2) + "\n")
    except OSError as error:  # other people's folders may be read-only
        print(f"{path} was not written: {error}", file=sys.stderr)


def _explain(runs: Sequence[Run]) -> None:
    for run in runs:
        if run.state is not State.FINISHED:
            print(f"{run.state}: {run.path}: {run.reason}")


def _write(groups: Sequence[Group], options: argparse.Namespace) -> None:
    rows = table_rows(groups, options.metric)
    markdown = f"{as_markdown(rows)}\n\nMean ± standard deviation over the seeds. {provenance(groups)}."
    if options.markdown:
        write_atomically(options.markdown, markdown + "\n")
    if options.csv:
        write_atomically(options.csv, as_csv(groups, options.metric))
    if options.update:
        update_table(Path(options.update[0]), options.update[1], markdown)
    if options.html or options.svg:
        _draw(groups, options)


def _draw(groups: Sequence[Group], options: argparse.Namespace) -> None:
    try:
        from lossy_lightning.report.page import as_html
        from lossy_lightning.report.plots import pictures, standalone

        if options.html:
            write_atomically(options.html, as_html(groups, options.metric))
        for picture in pictures(groups, options.metric) if options.svg else ():
            write_atomically(options.svg / f"{picture.name}.svg", standalone(picture))
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise ValueError("pictures are drawn by Matplotlib; pip install 'lossy-lightning[report]'") from error
