"""Groups of runs as one table: on a terminal, in Markdown, as CSV."""

import csv
import io
import re
from collections.abc import Sequence
from typing import NamedTuple

from lossy_lightning.report.groups import Group, Summary


class Column(NamedTuple):
    """A figure of the table.

    Attributes:
        title: With its unit.
        name: As it is logged.
        digits: After the point.
        factor: From what is logged to what is shown.
        meaning: One sentence.
    """

    title: str
    name: str
    digits: int
    factor: float
    meaning: str


_FIXED = (
    Column("rows read", "lookups/rows", 0, 1, "rows of tables that one example reads"),
    Column("container bits/sample", "rate/container_bits_per_sample", 3, 1, "bit widths of the code, by samples"),
    Column(
        "entropy-coded bits/sample",
        "rate/entropy_bits_per_sample",
        3,
        1,
        "entropy of the test codes, one table a channel, by samples",
    ),
    Column("features, KiB", "memory/features_bytes", 2, 2**-10, "outputs of all layers for one example"),
    Column("stored, KiB", "memory/weights_bytes", 2, 2**-10, "parameters at their true bit widths"),
    Column("epoch, s", "speed/epoch_seconds", 3, 1, "training part of an epoch, median without the first"),
    Column(
        "examples/s", "speed/examples_per_second", 0, 1, "training examples a second, median without the first epoch"
    ),
    Column("data wait, %", "speed/data_wait", 1, 100, "share of the epoch spent on fetching batches"),
)


def columns(groups: Sequence[Group], metric: str = "test_acc") -> list[Column]:
    """The columns that some group has a figure for: accuracy, MACs of each bit width, and the fixed ones."""
    logged = {name for group in groups for run in group.counted for name in run.figures}
    is_share = metric.endswith("acc")
    found = [
        Column("test accuracy, %" if is_share else metric, metric, 2 if is_share else 4, 100 if is_share else 1, "")
    ]
    for width in bit_widths(groups):
        meaning = f"multiply-accumulates of one example whose wider operand has {width} bits"
        found.append(Column(f"{width}-bit MACs", f"macs/{width}bit", 0, 1, meaning))
    return [column for column in (*found, *_FIXED) if column.name in logged or column.name == metric]


def bit_widths(groups: Sequence[Group]) -> list[int]:
    """Widths of the MACs that some run logged, widest first."""
    matches = (re.fullmatch(r"macs/(\d+)bit", name) for g in groups for run in g.counted for name in run.figures)
    return sorted({int(match[1]) for match in matches if match}, reverse=True)


def table_rows(groups: Sequence[Group], metric: str = "test_acc") -> list[list[str]]:
    """Rows of text, the titles first: run, each column's mean ± standard deviation, seeds, state.

    Args:
        groups: One row each.
        metric: Logged name that stands for accuracy.
    """
    shown = columns(groups, metric)
    rows = [["run", *(column.title for column in shown), "seeds", "state"]]
    for group in groups:
        cells = [text(group.summary(column.name), column) for column in shown]
        rows.append([group.name, *cells, seeds(group), states(group)])
    return rows


def text(summary: Summary | None, column: Column) -> str:
    """``98.49 ± 0.24``; without a spread where all values agree or there is only one.

    Example:
        >>> text(Summary(0.98491, 0.0024, 3), Column("", "", 2, 100, ""))
        '98.49 ± 0.24'
        >>> text(Summary(12544.0, 0.0, 3), Column("", "", 0, 1, ""))
        '12 544'
    """
    if summary is None:
        return ""
    mean = f"{column.factor * summary.mean:,.{column.digits}f}".replace(",", " ")
    if not summary.deviation:
        return mean
    return f"{mean} ± {column.factor * summary.deviation:.{column.digits}f}"


def seeds(group: Group) -> str:
    """Seeds of the counted runs; a repeated one stands as often as it ran."""
    return ", ".join("?" if run.seed is None else str(run.seed) for run in group.counted)


def states(group: Group) -> str:
    """``finished``, or how many runs stand how."""
    if len(group.states) == 1 and len(group.runs) == 1:
        return next(iter(group.states))
    return ", ".join(f"{count} {state}" for state, count in group.states.items())


def as_text(rows: Sequence[Sequence[str]]) -> str:
    """Aligned for a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        return "  ".join(_aligned(cell, width, i == 0) for i, (cell, width) in enumerate(zip(row, widths, strict=True)))

    head, *body = (line(row).rstrip() for row in rows)
    return "\n".join([head, "-" * len(head), *body])


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table.

    Example:
        >>> print(as_markdown([["run", "epoch, s"], ["a", "1.50"]]))
        | run | epoch, s |
        |---|---|
        | a | 1.50 |
    """
    head, *body = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def as_csv(groups: Sequence[Group], metric: str = "test_acc") -> str:
    """One line a group, with mean, standard deviation and number of runs of each column, in the units logged."""
    shown = columns(groups, metric)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["run", *(f"{c.name}:{part}" for c in shown for part in Summary._fields), "seeds", "state"])
    for group in groups:
        cells: list[object] = []
        for column in shown:
            cells += group.summary(column.name) or ("", "", 0)
        writer.writerow([group.name, *("" if cell is None else cell for cell in cells), seeds(group), states(group)])
    return file.getvalue()


def provenance(groups: Sequence[Group]) -> str:
    """Versions and hardware of the counted runs, one sentence; differing ones side by side."""
    environments = [run.environment for group in groups for run in group.counted if run.environment]
    versions: dict[str, set[str]] = {}
    hardware: dict[str, None] = {}
    for environment in environments:
        for package, version in (environment.get("versions") or {}).items():
            versions.setdefault(package, set()).add(str(version))
        hardware[hardware_text(environment)] = None
    packages = ", ".join(f"{package} {' and '.join(sorted(found))}" for package, found in versions.items())
    return f"{packages}; {'; '.join(hardware)}" if environments else "versions and hardware are not known"


def hardware_text(environment: dict[str, object]) -> str:
    """Devices, processor and threads of a run's environment."""
    hardware = environment.get("hardware")
    if not isinstance(hardware, dict):
        return "hardware not known"
    accelerators = ", ".join(hardware.get("accelerators") or [])
    parts = [environment.get("devices"), accelerators, hardware.get("processor"), _threads(hardware.get("threads"))]
    return ", ".join(str(part) for part in parts if part)


def _threads(number: object) -> str:
    return f"{number} thread" if number == 1 else f"{number} threads"


def _aligned(cell: str, width: int, left: bool) -> str:
    return cell.ljust(width) if left else cell.rjust(width)
