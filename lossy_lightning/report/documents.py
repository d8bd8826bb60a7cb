"""Tables in Markdown documents, each between ``<!-- table NAME -->`` and ``<!-- end of table -->``."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import yaml

from lossy_lightning.callbacks.provenance import write_atomically
from lossy_lightning.report.groups import Group, group_runs
from lossy_lightning.report.results import read_runs
from lossy_lightning.report.table import as_markdown, chosen_columns, provenance, table_rows, usual_columns, varied

_PLACE = re.compile(
    r"^(?P<head><!-- table (?P<name>[\w-]+)(?P<definition>.*?)-->)\n.*?(?P<end>^<!-- end of table -->)",
    re.DOTALL | re.MULTILINE,
)


class Definition(NamedTuple):
    """What a table of runs is made of, as YAML between its name and the end of the comment.

    Attributes:
        runs: File of results, or folder of runs, relative to the document.
        columns: Logged names; without, those that a report shows.
        rows: Title of each row by the name that a report gives it, in their order; without, all rows as they are.
    """

    runs: str
    columns: list[str] | None = None
    rows: dict[str, str] | None = None


def update_document(path: Path) -> None:
    """Write each table of a document anew that names its runs.

    Raises:
        ValueError: Where there is none, a definition is wrong, or a row or a file of runs is missing.
    """
    text = path.read_text(encoding="utf-8")
    try:
        new = with_tables(text, path.parent)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    write_atomically(path, new)


def with_tables(text: str, folder: Path) -> str:
    """A document whose tables of runs are what their runs say.

    Args:
        text: Of the document.
        folder: In which the document's paths start.

    Raises:
        ValueError: As `update_document`.
    """
    return _PLACE.sub(
        lambda place: _filled(place, _table(place, folder)) if place["definition"].strip() else place[0], text
    )


def update_table(path: Path, name: str, content: str) -> None:
    """Put a table in its place in a document.

    Raises:
        ValueError: Where the document has no such place.
    """
    text = path.read_text(encoding="utf-8")
    if name not in (place["name"] for place in _PLACE.finditer(text)):
        raise ValueError(
            f"{path} has no lines '<!-- table {name} -->' and '<!-- end of table -->' with the table between them; "
            "add them once"
        )
    write_atomically(
        path, _PLACE.sub(lambda place: _filled(place, content) if place["name"] == name else place[0], text)
    )


def _filled(place: re.Match[str], content: str) -> str:
    return f"{place['head']}\n\n{content}\n\n{place['end']}"


def _table(place: re.Match[str], folder: Path) -> str:
    try:
        definition = Definition(**yaml.safe_load(place["definition"]))
        groups = _rows(group_runs(read_runs([folder / definition.runs])), definition.rows)
        names = chosen_columns(groups, definition.columns) if definition.columns else usual_columns(groups)
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise ValueError(f"table {place['name']}: {error}") from error
    return markdown(groups, names)


def _rows(groups: list[Group], titles: dict[str, str] | None) -> list[Group]:
    if titles is None:
        return groups
    named = {group.name: group for group in groups}
    if missing := titles.keys() - named:
        raise ValueError(f"there are no runs of {sorted(missing)}; rows are {list(named)}")
    return [replace(named[name], name=title) for name, title in titles.items()]


def markdown(groups: Sequence[Group], names: Sequence[str]) -> str:
    """Table in Markdown, and where its numbers come from."""
    table = as_markdown(table_rows(groups, names))
    return f"{table}\n\nMean ± standard deviation over the {varied(groups)}. {provenance(groups)}."
