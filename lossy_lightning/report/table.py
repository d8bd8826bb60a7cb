"""Groups of runs as one table: on a terminal, in Markdown, as CSV."""

import csv
import io
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from lossy_lightning.core import InputError
from lossy_lightning.report.groups import Group, Summary
from lossy_lightning.report.runs import State


class Column(NamedTuple):
    """A figure of the table.

    Attributes:
        title: Head of the column, with its unit.
        name: Logged name.
        digits: Digits after the decimal point.
        factor: Factor from the logged to the shown value.
        meaning: One sentence.
    """

    title: str
    name: str
    digits: int
    factor: float
    meaning: str


_USUAL = (
    Column("rows read", "lookups/rows", 0, 1, "rows of tables that one example reads"),
    Column("container bits/sample", "rate/container_bits_per_sample", 3, 1, "container bits by samples of the signal"),
    Column(
        "zeroth-order entropy, bits/sample",
        "rate/entropy_bits_per_sample",
        3,
        1,
        "entropy of the test codes, each value by itself, one table per channel, by samples: no file's size",
    ),
    Column(
        "file bits/sample",
        "rate/file_bits_per_sample",
        3,
        1,
        "files that the codec writes, headers included, by samples",
    ),
    Column("features, KiB", "memory/features_bytes", 2, 2**-10, "outputs of all layers for one example"),
    Column("stored, KiB", "memory/weights_bytes", 2, 2**-10, "parameters at their true bit widths"),
    Column("packed, ms", "deploy/latency_ms", 4, 1, "code of an example to its logits, packed, on one thread"),
    Column("unpacked, ms", "deploy/float_latency_ms", 4, 1, "the same by the module itself"),
    Column("packed file, KiB", "deploy/file_bytes", 2, 2**-10, "file of the packed network"),
    Column("epoch, s", "speed/epoch_seconds", 3, 1, "training part of an epoch, median without the first"),
    Column(
        "examples/s", "speed/examples_per_second", 0, 1, "training examples per second, median without the first epoch"
    ),
    Column("data wait, %", "speed/data_wait", 1, 100, "share of the epoch spent on fetching batches"),
    Column("tested epoch", "tested_epoch", 1, 1, "epoch whose weights were tested, counted from 0"),
)


_OTHER = (
    Column("additions", "lookups/additions", 0, 1, "additions of rows of tables for one example"),
    Column("container bits", "rate/container_bits", 0, 1, "bit widths of all values of a code that are there"),
    Column("zeroth-order entropy, bits", "rate/entropy_bits", 1, 1, "that of the codes' values, by examples"),
    Column("file bits", "rate/file_bits", 0, 1, "files that the codec writes, headers included, by examples"),
    Column(
        "estimated energy, nJ",
        "energy/estimated_picojoules",
        3,
        1e-3,
        "counts by a table, no measurement",
    ),
    Column("float-32 equivalent, KiB", "memory/weights_float32_bytes", 2, 2**-10, "parameters, if each took 4 bytes"),
)
"""Shown on request."""


def usual_columns(groups: Sequence[Group], metric: str = "test_acc") -> list[str]:
    """Names of accuracy, MACs of each bit width, and the other figures of a report that some group has.

    What encoding costs, and the sum from sensor to label, stand there if some run's codec was learned.
    """
    logged = {name for group in groups for run in group.counted for name in run.figures}
    macs = [f"macs/{width}bit" for width in bit_widths(groups)]
    if _learned(groups):
        macs += [f"macs/encoding/{width}bit" for width in bit_widths(groups, "encoding")]
        macs += [f"macs/sensor_to_label/{width}bit" for width in bit_widths(groups, "sensor_to_label")]
    return [metric, *(name for name in (*macs, *(column.name for column in _USUAL)) if name in logged)]


def _learned(groups: Sequence[Group]) -> bool:
    """Whether making the codes of some run takes multiply-accumulates."""
    figures = [run.figures for group in groups for run in group.counted]
    return any(value > 0 for run in figures for name, value in run.items() if name.startswith("macs/encoding/"))


def chosen_columns(groups: Sequence[Group], names: Sequence[str]) -> list[str]:
    """The names that a user asks for.

    Raises:
        ValueError: If no run logged one of them.
    """
    logged = {name for group in groups for run in group.runs for name in run.figures}
    if missing := [name for name in names if name not in logged]:
        raise InputError(f"no run logged {', '.join(missing)}; logged are {', '.join(sorted(logged))}")
    return list(names)


def column(name: str) -> Column:
    """How a logged name is shown; shares (``…acc``) in percent, unknown names unchanged.

    Example:
        >>> column("test_acc").title, column("macs/encoder/32bit").title, column("val_loss").title
        ('test accuracy, %', '32-bit MACs of encoder', 'val_loss')
        >>> column("rate/luma/container_bits").title
        'container bits of luma'
    """
    known = {column.name: column for column in (*_USUAL, *_OTHER)}
    if name in known:
        return known[name]
    if match := re.fullmatch(r"parameters/(\d+)bit", name):
        return Column(f"{match[1]}-bit parameters", name, 0, 1, f"scalars that are kept with {match[1]} bits")
    if match := re.fullmatch(r"macs/(?:(.+)/)?(\d+)bit", name):
        part, width = match.groups()
        meaning = f"multiply-accumulates of one example whose wider operand has {width} bits"
        place = "" if not part else ", sensor to label" if part == "sensor_to_label" else f" of {part}"
        return Column(f"{width}-bit MACs{place}", name, 0, 1, meaning)
    if match := re.fullmatch(r"rate/(\w+)/(container|entropy)_bits", name):
        field, kind = match.groups()
        whole = known[f"rate/{kind}_bits"]
        return whole._replace(title=f"{whole.title} of {field}", name=name)
    if name.startswith("attack/acc_") or name.endswith("/acc"):
        return Column(f"{name}, %", name, 2, 100, "share of examples")
    if name.endswith("_acc"):
        return Column(f"{name.removesuffix('_acc').replace('_', ' ')} accuracy, %", name, 2, 100, "")
    return Column(name, name, 4, 1, "")


def bit_widths(groups: Sequence[Group], part: str | None = None) -> list[int]:
    """Widths of the MACs, of the whole network or of a part, that some run logged, widest first."""
    pattern = rf"macs/{part}/(\d+)bit" if part else r"macs/(\d+)bit"
    matches = (re.fullmatch(pattern, name) for g in groups for run in g.counted for name in run.figures)
    return sorted({int(match[1]) for match in matches if match}, reverse=True)


def table_rows(groups: Sequence[Group], names: Sequence[str]) -> list[list[str]]:
    """Rows of text, the titles first: run, each column's mean ± standard deviation, seeds, state.

    The state is left out if all runs have finished.

    Args:
        groups: One row each.
        names: Logged names of the columns.
    """
    shown = [column(name) for name in names]
    titles = [column.title for column in shown]
    titles = [
        title if titles.count(title) == 1 else f"{title} ({name})" for title, name in zip(titles, names, strict=True)
    ]
    rows = [["run", *titles, varied(groups), "state"]]
    for group in groups:
        cells = [text(group.summary(column.name), column) for column in shown]
        rows.append([group.name, *cells, seeds(group), states(group)])
    finished = all(run.state is State.FINISHED for group in groups for run in group.runs)
    rows = [[re.sub(r"[\x00-\x1f]", " ", cell) for cell in row] for row in rows]  # in names of folders
    return [row[:-1] for row in rows] if finished else rows


def text(summary: Summary | None, column: Column) -> str:
    """``98.49 ± 0.24``; without a spread if all values agree or there is only one.

    Example:
        >>> text(Summary(0.98491, 0.0024, 3), Column("", "", 2, 100, ""))
        '98.49 ± 0.24'
        >>> text(Summary(12544.0, 0.0, 3), Column("", "", 0, 1, ""))
        '12 544'
        >>> text(Summary(float("inf"), float("nan"), 3), column("psnr")), text(Summary(1e-5, None, 1), column("lr"))
        ('inf', '1e-05')
        >>> text(Summary(1e-5, 1e-6, 2), column("lr"))
        '1e-05 ± 1e-06'
    """
    if summary is None:
        return ""
    shown = column.factor * summary.mean
    if not math.isfinite(shown):
        return str(shown)  # nan, inf or -inf
    nothing = shown != 0 and float(f"{shown:.{column.digits}f}") == 0  # as it would read
    form = ".2g" if nothing else f",.{column.digits}f"
    values = [shown, column.factor * summary.deviation] if summary.deviation else [shown]
    return " ± ".join(f"{value:{form}}".replace(",", " ") for value in values)


def seeds(group: Group) -> str:
    """Folds of the counted runs if there are any, else seeds."""
    numbers = (run.seed if run.fold is None else run.fold for run in group.counted)
    return ", ".join("?" if number is None else str(number) for number in numbers)


def varied(groups: Sequence[Group]) -> str:
    """What the runs of a row differ in: seeds, folds, or one in some rows and the other in others."""
    folds = [run.fold is not None for group in groups for run in group.counted]
    return "folds" if folds and all(folds) else "seeds or folds" if any(folds) else "seeds"


def states(group: Group) -> str:
    """``finished``, or the number of runs in each state."""
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


def markdown_summary(groups: Sequence[Group], names: Sequence[str]) -> str:
    """A table in Markdown, and a line that says what its numbers are and where they come from.

    Args:
        groups: One row each.
        names: Logged names of the columns.
    """
    table = as_markdown(table_rows(groups, names))
    return f"{table}\n\nMean ± standard deviation over the {varied(groups)}. {provenance(groups)}."


def as_csv(groups: Sequence[Group], names: Sequence[str]) -> str:
    """One line a group, with mean, standard deviation and number of runs of each column, in the units logged."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["run", *(f"{name}:{part}" for name in names for part in Summary._fields), "seeds", "state"])
    for group in groups:
        cells: list[object] = []
        for name in names:
            cells += group.summary(name) or ("", "", 0)
        writer.writerow([group.name, *("" if cell is None else cell for cell in cells), seeds(group), states(group)])
    return file.getvalue()


def provenance(groups: Sequence[Group]) -> str:
    """Versions and hardware of the runs that have figures in a table, one sentence; differing ones side by side."""
    environments = [run.environment for group in groups for run in group.done if run.environment]
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
    found = hardware.get("accelerators")
    accelerators = ", ".join(map(str, found)) if isinstance(found, list) else ""
    parts = [environment.get("devices"), accelerators, hardware.get("processor"), _threads(hardware.get("threads"))]
    return ", ".join(str(part) for part in parts if part)


def _threads(number: object) -> str:
    return f"{number} thread" if number == 1 else f"{number} threads"


def _aligned(cell: str, width: int, left: bool) -> str:
    return cell.ljust(width) if left else cell.rjust(width)
