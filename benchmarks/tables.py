"""Writes the tables of Markdown documents anew, each between ``<!-- table NAME -->`` and ``<!-- end of table -->``.

    python benchmarks/tables.py docs/numbers.md

A table that names its runs is made from them; docs/report.md says how. A script that measures something else puts its
table in place by `update_table`.
"""

import argparse
import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import yaml

from lossy_lightning.core.files import write_atomically
from lossy_lightning.report import Group, chosen_columns, group_runs, markdown_summary, read_runs, usual_columns

_PLACE = re.compile(
    r"^(?P<head><!-- table (?P<name>[\w-]+)(?P<definition>(?:(?!-->|^<!-- table ).)*)-->)[ \t]*\n"
    r"(?:(?!^<!-- table ).)*?(?P<end>^<!-- end of table -->)",
    re.DOTALL | re.MULTILINE,
)


class Definition(NamedTuple):
    """What a table of runs is made of, as YAML between its name and the end of the comment.

    Attributes:
        runs: File of results, or folder of runs, relative to the document.
        columns: Logged names; by default those that a report shows.
        rows: Title of each row by the name that a report gives it, in their order; by default all rows as they are.
    """

    runs: str
    columns: list[str] | None = None
    rows: dict[str, str] | None = None


def update_document(path: Path | str) -> None:
    """Write each table of a document anew that names its runs.

    Raises:
        ValueError: If there is none, one has no end, a definition is wrong, or a row or a file of runs is missing.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    try:
        if not any(place["definition"].strip() for place in _places(text)):
            raise ValueError(
                "no table names its runs; write lines '<!-- table NAME', 'runs: PATH', '-->' and "
                "'<!-- end of table -->' in the place of one"
            )
        new = with_tables(text, path.parent)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    write_atomically(path, new)


def with_tables(text: str, folder: Path) -> str:
    """A document whose tables of runs are what their runs say.

    Args:
        text: The document.
        folder: The one that the document's paths start from.

    Raises:
        ValueError: As `update_document`, except for a document without tables.
    """
    _places(text)
    return _PLACE.sub(
        lambda place: _filled(place, _table(place, folder)) if place["definition"].strip() else place[0], text
    )


def update_table(path: Path | str, name: str, content: str) -> None:
    """Put a table in its place in a document.

    Raises:
        ValueError: If the document has no such place, or a table in it has no end.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    try:
        places = _places(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if name not in (place["name"] for place in places):
        raise ValueError(
            f"{path} has no lines '<!-- table {name} -->' and '<!-- end of table -->' with the table between them; "
            "add them once"
        )
    write_atomically(
        path, _PLACE.sub(lambda place: _filled(place, content) if place["name"] == name else place[0], text)
    )


def _places(text: str) -> list[re.Match[str]]:
    """The places of all tables; one without an end is an error: what follows would be taken for its content."""
    places = list(_PLACE.finditer(text))
    whole = {place.start() for place in places}
    for opening in re.finditer("^<!-- table .*", text, re.MULTILINE):
        if opening.start() not in whole:
            raise ValueError(
                f"the table that starts with {opening[0]!r} has no lines '-->' and '<!-- end of table -->' before the "
                "next table; add what is missing"
            )
    return places


def _filled(place: re.Match[str], content: str) -> str:
    return f"{place['head']}\n\n{content}\n\n{place['end']}"


def _table(place: re.Match[str], folder: Path) -> str:
    try:
        definition = _definition(place["definition"])
        groups = _rows(group_runs(read_runs([folder / definition.runs])), definition.rows)
        names = chosen_columns(groups, definition.columns) if definition.columns else usual_columns(groups)
    except ValueError as error:
        raise ValueError(f"table {place['name']}: {error}") from error
    return markdown_summary(groups, names)


def _definition(text: str) -> Definition:
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"its definition is no YAML: {' '.join(str(error).split())}") from error
    known = ", ".join(Definition._fields)
    if not isinstance(said, dict):
        raise ValueError(f"its definition is {said!r}; give lines 'name: value', where names are {known}")
    if unknown := [name for name in said if name not in Definition._fields]:
        raise ValueError(f"its definition names {unknown}; known are {known}")
    runs, columns, rows = map(said.get, Definition._fields)
    if not isinstance(runs, str) or not runs:
        raise ValueError(f"runs is {runs!r}; give the path of one file of results or folder of runs")
    if columns is not None and not _are_names(columns, list):
        raise ValueError(f"columns is {columns!r}; give a list of logged names, such as [test_acc, macs/1bit]")
    if rows is not None and not (_are_names(rows, dict) and _are_names(list(rows.values()), list)):
        raise ValueError(f"rows is {rows!r}; give lines 'name: title', each text of one line, numbers in quotes")
    return Definition(runs, columns, rows)


def _are_names(said: object, kind: type[list[str]] | type[dict[str, str]]) -> bool:
    return (
        isinstance(said, kind)
        and bool(said)
        and all(isinstance(name, str) and len(name.strip().splitlines()) == 1 for name in said)
    )


def _rows(groups: list[Group], titles: dict[str, str] | None) -> list[Group]:
    if titles is None:
        return groups
    named = {group.name: group for group in groups}
    if missing := titles.keys() - named:
        raise ValueError(f"there are no runs of {sorted(missing)}; rows are {list(named)}")
    return [replace(named[name], name=title) for name, title in titles.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", nargs="+", type=Path, metavar="FILE", help="Markdown document")
    for document in parser.parse_args().documents:
        try:
            update_document(document)
        except (OSError, ValueError) as error:
            parser.error(str(error))


if __name__ == "__main__":
    main()
