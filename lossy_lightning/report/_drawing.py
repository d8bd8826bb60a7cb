"""How the pictures of a report are drawn: colours, numbers, labels, and the SVG element."""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from lossy_lightning.report.groups import Group, Summary, labels

_COLOURS = 10
_MAX_LABELLED = 12
"""Curves that a legend has room for."""

_LETTERS = 40
"""Letters of a line of a legend beside the curves."""


class Picture(NamedTuple):
    """A drawing: its file name, title, one sentence on how to read it, and the SVG element."""

    name: str
    title: str
    caption: str
    svg: str


def row_labels(groups: Sequence[Group]) -> list[str]:
    """Number and what differs, as text that Matplotlib does not take for a formula."""
    texts = [text if len(text) <= 40 else f"{text[:39]}…" for text in labels(groups)]
    return [_verbatim(f"{i} {text}") for i, text in enumerate(texts, 1)]


def _verbatim(text: str) -> str:
    return re.sub(r"[\x00-\x1f]", " ", text).replace("$", r"\$")


def add_legend(axes: Any) -> None:
    """Names of the curves, if there is room: long ones below the picture, which grows by them."""
    handles, names = axes.get_legend_handles_labels()
    if 0 < len(handles) <= _MAX_LABELLED:
        if max(map(len, names)) * (1 if len(handles) < 5 else 2) <= _LETTERS:
            axes.legend(fontsize=7, frameon=False, ncols=1 if len(handles) < 5 else 2)
            return
        figure = axes.figure
        figure.set_figheight(figure.get_figheight() + 0.16 * len(handles))
        figure.legend(loc="outside lower left", fontsize=7, frameon=False)


def draw_band(
    axes: Any, i: int, points: Sequence[tuple[float, float, float]], style: str, label: str | None, marker: str
) -> None:
    """A line through means, shaded by their deviations."""
    xs, means, spreads = zip(*points, strict=True)
    axes.plot(xs, means, style, marker=marker, color=colour(i), linewidth=1.2, label=label)
    low, high = zip(*((m - s, m + s) for m, s in zip(means, spreads, strict=True)), strict=True)
    axes.fill_between(xs, low, high, color=colour(i), alpha=0.15, linewidth=0)


def draw_point(
    axes: Any, i: int, x: float, y: Summary, marker: str, spread: float | None = None, number: bool = True
) -> None:
    axes.errorbar(
        x,
        y.mean,
        xerr=spread or None,
        yerr=y.deviation or None,
        fmt=marker,
        color=colour(i),
        markersize=6,
        elinewidth=1,
        capsize=2,
    )
    if number:
        axes.annotate(str(i + 1), (x, y.mean), xytext=(5, 4), textcoords="offset points", fontsize=9)


def number_ticks(axes: Any) -> None:
    """Short numbers at the decades of an axis, also at 2 and 5 if there are few decades."""
    from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullFormatter

    if axes.get_xscale() == "log":
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    thousands = EngFormatter(sep="")  # 20k, 3M; of small numbers it would make 50m
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: thousands(x) if x >= 1000 else f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def colour(i: int) -> str:
    return f"C{i % _COLOURS}"


def draw_picture(
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
        axes.set_ylabel(_verbatim(ylabel))
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
