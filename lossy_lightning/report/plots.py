"""The report's pictures, drawn by Matplotlib as SVG."""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from lossy_lightning.report._logs import Curve
from lossy_lightning.report.groups import Group, Summary, summarize
from lossy_lightning.report.table import bit_widths

_MARKERS = "osD^vP*X"
_COLOURS = 10
_LEARNING = ("train_loss", "val_loss", "train_acc", "val_acc")
_AXES = {
    "rate/container_bits_per_sample": ("container bits", "container, bits a sample"),
    "rate/entropy_bits_per_sample": ("zeroth-order entropy", "zeroth-order entropy, bits a sample"),
    "rate/file_bits_per_sample": ("bits of the file", "file, headers included, bits a sample"),
    "memory/features_bytes": ("feature memory", "features of an example, bytes"),
    "memory/weights_bytes": ("stored size", "stored parameters, bytes"),
    "speed/epoch_seconds": ("epoch time", "training part of an epoch, seconds"),
}


class Picture(NamedTuple):
    """A drawing: its file name, title, one sentence on how to read it, and the SVG element."""

    name: str
    title: str
    caption: str
    svg: str


def pictures(groups: Sequence[Group], metric: str = "test_acc") -> list[Picture]:
    """All pictures that the runs have figures for: Pareto plots, learning curves, attack curves.

    Args:
        groups: The i-th is drawn in colour i and numbered i + 1 in all of them.
        metric: Logged name that stands for accuracy.

    Raises:
        ModuleNotFoundError: If Matplotlib is not installed.
    """
    found = [macs_plot(groups, metric), *(cost_plot(groups, name, metric) for name in _AXES)]
    found += [learning_plot(groups, name) for name in _LEARNING]
    return [picture for picture in (*found, attack_plot(groups)) if picture]


def macs_plot(groups: Sequence[Group], metric: str = "test_acc") -> Picture | None:
    """Accuracy against MACs, each bit width a series of its own: operations of unlike cost are not added up."""
    widths = bit_widths(groups)

    def draw(axes: Any) -> bool:
        any_drawn = False
        for i, group in enumerate(groups):
            accuracy = group.summary(metric)
            macs = [(width, group.summary(f"macs/{width}bit")) for width in widths]
            points = [(width, count.mean) for width, count in macs if count]
            if accuracy is None or not points:
                continue
            any_drawn = True
            axes.plot([x for _, x in points], [accuracy.mean] * len(points), color=_colour(i), linewidth=0.8)
            for width, x in points:
                _point(axes, i, x, accuracy, _MARKERS[widths.index(width) % len(_MARKERS)], number=x == points[-1][1])
        axes.set_xscale("symlog", linthresh=1000)  # zeros are shown, too
        axes.set_xlim(left=-200)
        axes.set_xticks([0, *(10**power for power in range(3, 16) if 10**power < 1.5 * axes.get_xlim()[1])])
        _number_ticks(axes)
        for width in widths:
            marker = _MARKERS[widths.index(width) % len(_MARKERS)]
            axes.plot([], [], marker, color="black", label=f"{width}-bit", markersize=5)
        if any_drawn:
            axes.legend(fontsize=8, frameon=False)
        return any_drawn

    caption = "One marker a bit width; the markers of a row are joined. MACs of different widths are never added up."
    return _picture("macs", "Accuracy against MACs", caption, draw, "MACs of an example", metric)


def cost_plot(groups: Sequence[Group], name: str, metric: str = "test_acc") -> Picture | None:
    """Accuracy against one cost, with the line of those that no other run beats in both."""

    def draw(axes: Any) -> bool:
        points = [
            (i, cost, accuracy)
            for i, group in enumerate(groups)
            if (cost := group.summary(name)) and (accuracy := group.summary(metric))
        ]
        front = pareto_front([(cost.mean, accuracy.mean) for _, cost, accuracy in points])
        axes.step([x for x, _ in front], [y for _, y in front], where="post", color="0.7", linewidth=1, zorder=0)
        for i, cost, accuracy in points:
            _point(axes, i, cost.mean, accuracy, "o", spread=cost.deviation)
        costs = [cost.mean for _, cost, _ in points]
        if costs and 0 < 10 * min(costs) < max(costs):
            axes.set_xscale("log")
            _number_ticks(axes)
        return bool(points)

    short, label = _AXES[name]
    caption = "Grey: the runs that no other beats in both. Bars: one standard deviation over the seeds."
    return _picture(name.replace("/", "_"), f"Accuracy against {short}", caption, draw, label, metric)


def learning_plot(groups: Sequence[Group], name: str) -> Picture | None:
    """A logged name over the epochs: mean over the runs, shaded by one standard deviation."""

    def draw(axes: Any) -> bool:
        any_drawn = False
        axes.xaxis.get_major_locator().set_params(integer=True)
        for i, group in enumerate(groups):
            curves = [run.curves[name] for run in group.counted if name in run.curves]
            points = mean_curve(curves)
            if not points:
                continue
            any_drawn = True
            _band(axes, i, points, "-", label=str(i + 1), marker="." if len(points) == 1 else "")
        if any_drawn:
            axes.legend(fontsize=8, frameon=False, ncols=2)
        return any_drawn

    caption = "Mean over the seeds, shaded by one standard deviation."
    return _picture(name, f"{name} by epoch", caption, draw, "epoch", name)


def attack_plot(groups: Sequence[Group]) -> Picture | None:
    """Accuracy under attack against its budget; dashed if an example counts as wrong as soon as one attack fools it."""

    def draw(axes: Any) -> bool:
        any_drawn = False
        axes.xaxis.get_major_locator().set_params(integer=True)
        for i, group in enumerate(groups):
            for kind, style in (("acc", "-"), ("acc_strongest", "--")):
                points = attack_curve(group, kind)
                if len(points) > 1:
                    any_drawn = True
                    _band(axes, i, points, style, label=str(i + 1) if kind == "acc" else None, marker=".")
        if any_drawn:
            axes.legend(fontsize=8, frameon=False)
        return any_drawn

    caption = (
        "Budget: greatest change of a value, or replaced values of categorical codes; 0 is the clean accuracy. Dashed: "
        "wrong if any attack or self-check succeeds. Mean over the seeds, shaded by one standard deviation."
    )
    return _picture("attack", "Accuracy under attack", caption, draw, "budget", "accuracy")


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


def _band(
    axes: Any, i: int, points: Sequence[tuple[float, float, float]], style: str, label: str | None, marker: str
) -> None:
    """A line through means, shaded by their deviations."""
    xs, means, spreads = zip(*points, strict=True)
    axes.plot(xs, means, style, marker=marker, color=_colour(i), linewidth=1.2, label=label)
    low, high = zip(*((m - s, m + s) for m, s in zip(means, spreads, strict=True)), strict=True)
    axes.fill_between(xs, low, high, color=_colour(i), alpha=0.15, linewidth=0)


def _point(
    axes: Any, i: int, x: float, y: Summary, marker: str, spread: float | None = None, number: bool = True
) -> None:
    axes.errorbar(
        x,
        y.mean,
        xerr=spread or None,
        yerr=y.deviation or None,
        fmt=marker,
        color=_colour(i),
        markersize=6,
        elinewidth=1,
        capsize=2,
    )
    if number:
        axes.annotate(str(i + 1), (x, y.mean), xytext=(5, 4), textcoords="offset points", fontsize=9)


def _number_ticks(axes: Any) -> None:
    """Short numbers at the decades of an axis, also at 2 and 5 if there are few decades."""
    from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullFormatter

    if axes.get_xscale() == "log":
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    thousands = EngFormatter(sep="")  # 20k, 3M; of small numbers it would make 50m
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: thousands(x) if x >= 1000 else f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _colour(i: int) -> str:
    return f"C{i % _COLOURS}"


def _picture(
    name: str, title: str, caption: str, draw: Callable[[Any], bool], xlabel: str, ylabel: str
) -> Picture | None:
    import matplotlib
    from matplotlib.figure import Figure

    # Text stays text: a tenth of the size, and it can be searched. Equal runs give equal files.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure = Figure(figsize=(4.8, 3.4), layout="constrained")
        axes = figure.subplots()
        if not draw(axes):
            return None
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel.replace("_", " ").replace("acc", "accuracy") if ylabel != "accuracy" else ylabel)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return Picture(name, title, caption, _embeddable(file.getvalue(), name))


def _embeddable(svg: str, name: str) -> str:
    """The SVG element alone, with ids that are unique on the page and without namespace addresses."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'\s(xmlns(:\w+)?)="[^"]*"', "", svg)
    svg = re.sub(r'((?<=id=")|(?<=href="#)|(?<=url\(#))', f"{name}-", svg)
    return svg.replace("<svg ", '<svg role="img" ', 1)


def standalone(picture: Picture) -> str:
    """The content of an SVG file of its own."""
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return picture.svg.replace("<svg ", f"<svg {names} ", 1)
