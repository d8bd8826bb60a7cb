"""Logged runs to one table and one page."""

from lossy_lightning.report.groups import Group, Summary, group_runs, summarize
from lossy_lightning.report.page import as_html
from lossy_lightning.report.results import read_results, read_runs, write_results
from lossy_lightning.report.runs import Run, State, find_runs, read_run
from lossy_lightning.report.table import (
    as_csv,
    as_markdown,
    as_text,
    chosen_columns,
    markdown_summary,
    table_rows,
    usual_columns,
)

__all__ = [
    "Group",
    "Run",
    "State",
    "Summary",
    "as_csv",
    "as_html",
    "as_markdown",
    "as_text",
    "chosen_columns",
    "find_runs",
    "group_runs",
    "markdown_summary",
    "read_results",
    "read_run",
    "read_runs",
    "summarize",
    "table_rows",
    "usual_columns",
    "write_results",
]
