"""The report's pictures, drawn by Matplotlib as SVG."""

import re
from collections.abc import Sequence
from typing import Any

from lossy_lightning.report._drawing import (
    Picture,
    add_legend,
    colour,
    draw_band,
    draw_picture,
    draw_point,
    number_ticks,
    row_labels,
)
from lossy_lightning.report._logs import Curve
from lossy_lightning.report.groups import Group, Summary, summarize
from lossy_lightning.report.table import bit_widths, column

_MARKERS = "osD^vP*X"
_LEARNING = ("train_loss", "val_loss", "train_acc", "val_acc")
_COSTS = {
    "rate/container_bits_per_sample": "container bits",
    "rate/entropy_bits_per_sample": "zeroth-order entropy",
    "rate/file_bits_per_sample": "bits of the file",
    "memory/features_bytes": "feature memory",
    "memory/weights_bytes": "stored size",
    "deploy/latency_ms": "packed latency",
    "deploy/file_bytes": "size of the packed file",
    "speed/epoch_seconds": "epoch time",
}
_LARGEST = 1e100
"""Matplotlib cannot lay out axes of larger numbers."""


def pictures(groups: Sequence[Group], metric: str = "test_acc") -> list[Picture]:
    """All pictures that the runs have figures for: Pareto plots, learning curves, attack curves.

    They have the units of the table. What is NaN or infinite is not drawn; the caption names its rows.

    Args:
        groups: The i-th is drawn in colour i and numbered i + 1 in all of them.
        metric: Logged name that stands for accuracy.

    Raises:
        ModuleNotFoundError: If Matplotlib is not installed.
    """
    found = [macs_plot(groups, metric), *(cost_plot(groups, name, metric) for name in _COSTS)]
    found += [learning_plot(groups, name) for name in _LEARNING]
    return [picture for picture in (*found, attack_plot(groups)) if picture]


def macs_plot(groups: Sequence[Group], metric: str = "test_acc") -> Picture | None:
    """Accuracy against MACs, each bit width a series of its own: operations of unlike cost are not added up."""
    widths = bit_widths(groups)

    def draw(axes: Any) -> bool:
        any_drawn = False
        for i, group in enumerate(groups):
            accuracy = _summary(group, metric)
            macs = [(width, _summary(group, f"macs/{width}bit")) for width in widths]
            points = [(width, count.mean) for width, count in macs if count]
            if accuracy is None or not points:
                continue
            any_drawn = True
            axes.plot([x for _, x in points], [accuracy.mean] * len(points), color=colour(i), linewidth=0.8)
            for width, x in points:
                draw_point(
                    axes, i, x, accuracy, _MARKERS[widths.index(width) % len(_MARKERS)], number=x == points[-1][1]
                )
        axes.set_xscale("symlog", linthresh=1000)  # zeros are shown, too
        axes.set_xlim(left=-200)
        axes.set_xticks([0, *(10**power for power in range(3, 16) if 10**power < 1.5 * axes.get_xlim()[1])])
        number_ticks(axes)
        for width in widths:
            marker = _MARKERS[widths.index(width) % len(_MARKERS)]
            axes.plot([], [], marker, color="black", label=f"{width}-bit", markersize=5)
        if any_drawn:
            axes.legend(fontsize=8, frameon=False)
        return any_drawn

    caption = "One marker a bit width; the markers of a row are joined. MACs of different widths are never added up."
    caption += _left_out(groups, metric, *(f"macs/{width}bit" for width in widths))
    return draw_picture("macs", "Accuracy against MACs", caption, draw, "MACs of an example", column(metric).title)


def cost_plot(groups: Sequence[Group], name: str, metric: str = "test_acc") -> Picture | None:
    """Accuracy against one cost, with the line of those that no other run beats in both."""

    def draw(axes: Any) -> bool:
        points = [
            (i, cost, accuracy)
            for i, group in enumerate(groups)
            if (cost := _summary(group, name)) and (accuracy := _summary(group, metric))
        ]
        front = pareto_front([(cost.mean, accuracy.mean) for _, cost, accuracy in points])
        axes.step([x for x, _ in front], [y for _, y in front], where="post", color="0.7", linewidth=1, zorder=0)
        for i, cost, accuracy in points:
            draw_point(axes, i, cost.mean, accuracy, "o", spread=cost.deviation)
        costs = [cost.mean for _, cost, _ in points]
        if costs and 0 < 10 * min(costs) < max(costs):
            axes.set_xscale("log")
            number_ticks(axes)
        return bool(points)

    caption = "Grey: the runs that no other beats in both. Bars: one standard deviation over the seeds."
    caption += _left_out(groups, name, metric)
    title, x, y = f"Accuracy against {_COSTS[name]}", column(name).title, column(metric).title
    return draw_picture(name.replace("/", "_"), title, caption, draw, x, y)


def learning_plot(groups: Sequence[Group], name: str) -> Picture | None:
    """A logged name over the epochs: mean over the runs, shaded by one standard deviation."""

    def draw(axes: Any) -> bool:
        axes.xaxis.get_major_locator().set_params(integer=True)
        for i, points in drawn.items():
            draw_band(axes, i, points, "-", label=told[i], marker="." if len(points) == 1 else "")
        add_legend(axes)
        return bool(drawn)

    told = row_labels(groups)
    found = {i: mean_curve([run.curves[name] for run in g.counted if name in run.curves]) for i, g in enumerate(groups)}
    drawn = {i: points for i, curve in found.items() if (points := _shown(curve, column(name).factor))}
    cut = [str(i + 1) for i, curve in found.items() if len(drawn.get(i, ())) < len(curve)]
    caption = f"Mean over the seeds, shaded by one standard deviation.{_not_drawn(cut)}"
    return draw_picture(name, f"{name} by epoch", caption, draw, "epoch", column(name).title)


def attack_plot(groups: Sequence[Group]) -> Picture | None:
    """Accuracy under attack against its budget; dashed if an example counts as wrong as soon as one attack fools it."""

    def draw(axes: Any) -> bool:
        any_drawn = False
        axes.xaxis.get_major_locator().set_params(integer=True)
        for i, group in enumerate(groups):
            for kind, style in (("acc", "-"), ("acc_strongest", "--")):
                points = _shown(attack_curve(group, kind), column("attack/acc_clean").factor)
                if len(points) > 1:
                    any_drawn = True
                    draw_band(axes, i, points, style, label=told[i] if kind == "acc" else None, marker=".")
        add_legend(axes)
        return any_drawn

    told = row_labels(groups)

    caption = (
        "Budget: greatest change of a value, or replaced values of categorical codes; 0 is the clean accuracy. Dashed: "
        "wrong if any attack or self-check succeeds. Mean over the seeds, shaded by one standard deviation."
    )
    return draw_picture("attack", "Accuracy under attack", caption, draw, "budget", "accuracy, %")


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other beats in both cost (first) and accuracy (second), by rising cost.

    Example:
        >>> pareto_front([(3, 0.9), (1, 0.5), (2, 0.4), (4, 0.9)])
        [(1, 0.5), (3, 0.9)]
    """
    front: list[tuple[float, float]] = []
    for cost, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or accuracy > front[-1][1]:
            front.append((cost, accuracy))
    return front


def mean_curve(curves: Sequence[Curve]) -> list[tuple[float, float, float]]:
    """Position, mean and standard deviation (0 for one curve) at the positions that all curves have.

    Example:
        >>> mean_curve([[(0, 1.0), (1, 2.0)], [(0, 3.0)]])
        [(0, 2.0, 1.4142135623730951)]
    """
    values = [dict(curve) for curve in curves]
    shared = sorted(set.intersection(*(set(curve) for curve in values))) if values else []
    found = [(x, summarize(curve[x] for curve in values)) for x in shared]
    return [(x, summary.mean, summary.deviation or 0.0) for x, summary in found if summary]


def attack_curve(group: Group, kind: str) -> list[tuple[float, float, float]]:
    """Budget, mean and standard deviation of ``attack/<kind>_step<budget>``, the clean accuracy at 0."""
    pattern = re.compile(rf"attack/{kind}_step(\d+)")
    names = {name for run in group.counted for name in run.figures}
    found = {int(match[1]): name for name in names if (match := pattern.fullmatch(name))}
    named = [(0, "attack/acc_clean"), *sorted(found.items())] if found else []
    summaries = [(budget, group.summary(name)) for budget, name in named]
    return [(budget, summary.mean, summary.deviation or 0.0) for budget, summary in summaries if summary]


def _summary(group: Group, name: str) -> Summary | None:
    """Mean and spread of a logged name in the unit of the table, if they can be drawn."""
    summary, factor = group.summary(name), column(name).factor
    if summary is None or not abs(summary.mean) < _LARGEST:  # NaN is not less than anything
        return None
    spread = summary.deviation if summary.deviation and summary.deviation < _LARGEST else None
    return Summary(factor * summary.mean, spread and factor * spread, summary.number)


def _left_out(groups: Sequence[Group], *names: str) -> str:
    """A sentence on the rows that have a figure of these names which cannot be drawn."""
    rows = [
        str(i + 1)
        for i, group in enumerate(groups)
        if any(group.summary(name) and not _summary(group, name) for name in names)
    ]
    return _not_drawn(rows)


def _not_drawn(rows: Sequence[str]) -> str:
    return f" Not drawn where it is not a finite number: {', '.join(rows)}." if rows else ""


def _shown(points: Sequence[tuple[float, float, float]], factor: float) -> list[tuple[float, float, float]]:
    """The points of a curve that can be drawn, in the unit of the table."""
    finite = (point for point in points if all(abs(value) < _LARGEST for value in point))
    return [(x, factor * mean, factor * deviation) for x, mean, deviation in finite]
