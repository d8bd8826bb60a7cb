"""What the study says: accuracies by budget and arm, what codes gain on pixels, what networks cost, and pictures."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.harness import show, spread
from benchmarks.intervals import bootstrap, over
from experiments.complexity.trials import Recipe

Tested = dict[tuple[float, str], list[dict[str, Any]]]
"""Figures of each seed, by budget and arm."""
Recipes = Mapping[tuple[float, str], Recipe]
CODES = "codes"
COSTS = {
    "macs": ("MMAC", 1e6, 2),
    "parameters": ("parameters, thousands", 1e3, 1),
    "features": ("features, KiB", 1024, 0),
    "step": ("step of training, ms", 1, 1),
    "one": ("file to class, ms", 1, 2),
    "together": ("of 64 together, ms a file", 1, 3),
}
"""Title, unit and digits of each cost."""


def right(found: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """Whether each seed had each test image right, ``(seeds, images)``."""
    each = [np.unpackbits(np.frombuffer(bytes.fromhex(one["right"]), np.uint8))[: one["examples"]] for one in found]
    return np.stack(each).astype(float)


def gained(found: Tested, budget: float, control: str) -> np.ndarray[Any, Any] | None:
    """Points by which codes are right more often, ``(seeds, images)``; None if there is nothing to compare."""
    if control == CODES or (budget, CODES) not in found or (budget, control) not in found:
        return None
    return points(found[budget, CODES], found[budget, control])


def points(own: list[dict[str, Any]], other: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """Points by which runs are right more often than others, over the seeds that both have: ``(seeds, images)``."""
    seeds = min(len(own), len(other))
    return 100 * (right(own[:seeds]) - right(other[:seeds]))


def accuracies(found: Tested, recipes: Recipes) -> list[list[str]]:
    """A row for each budget and arm."""
    rows = [["MMAC, at most", "arm", "form", "MMAC", "test accuracy, %", "codes less it, over seeds", "bootstrap"]]
    for (budget, arm), each in found.items():
        told = recipes[budget, arm]
        form = f"{told.form}{', deeper' * told.deep}, learning rate {told.lr:g}"
        macs = mean(one["macs"] for one in each) / 1e6
        row = [f"{budget:g}", arm, form, f"{macs:.2f}", spread([one["accuracy"] for one in each])]
        points = gained(found, budget, arm)
        row += ["", ""] if points is None else [str(over(points.mean(1))), str(bootstrap(points, nested=1))]
        rows.append(row)
    return rows


def ahead(found: Tested) -> str:
    """At which budgets codes are ahead of an arm, or behind it, by more than the interval over seeds."""
    told = []
    for control in dict.fromkeys(arm for _, arm in found if arm != CODES):
        intervals = {}
        for budget in sorted({budget for budget, _ in found}):
            points = gained(found, budget, control)
            if points is not None and len(points) > 1:
                intervals[budget] = over(points.mean(1))
        won, lost = (
            ", ".join(f"{budget:g}" for budget, each in intervals.items() if sign * each[1 if sign > 0 else 2] > 0)
            for sign in (1, -1)
        )
        told.append(f"Codes are ahead of {control} at: {won or 'no budget'}; behind at: {lost or 'none'}.")
    return " ".join(told)


def costs(found: Tested, measured: Mapping[str, Any]) -> dict[tuple[float, str], dict[str, float]]:
    """What each network that was tested costs, as far as it was measured."""
    return {
        (budget, arm): {"macs": each[0]["macs"], **measured.get("networks", {}).get(f"{budget:g} {arm}", {})}
        for (budget, arm), each in found.items()
    }


def cost_table(found: Tested, measured: Mapping[str, Any]) -> list[list[str]]:
    """A row for each budget and arm."""
    rows = [["MMAC, at most", "arm", *(title for title, _, _ in COSTS.values())]]
    for (budget, arm), cost in costs(found, measured).items():
        told = (f"{cost[name] / unit:.{digits}f}" if name in cost else "" for name, (_, unit, digits) in COSTS.items())
        rows.append([f"{budget:g}", arm, *told])
    return rows


def reading_table(measured: Mapping[str, Any]) -> list[list[str]]:
    """Milliseconds a file of each way of reading, by size of images."""
    reading: dict[str, dict[str, float]] = measured["reading"]
    ways: Iterable[str] = next(iter(reading.values()))
    return [["files", *(f"{way}, ms" for way in ways)]] + [
        [size, *(f"{times[way]:.3f}" for way in ways)] for size, times in reading.items()
    ]


def write(found: Tested, recipes: Recipes, measured: Mapping[str, Any], document: Path | None) -> None:
    """Show the tables, and put them into a document if there is one."""
    seeds = sorted({len(each) for each in found.values()})
    note = f"{' or '.join(map(str, seeds))} seed(s), differences in points. {ahead(found)}"
    show(accuracies(found, recipes), note, document, "complexity-accuracy")
    if measured:
        note = f"Measured on {measured['machine']}."
        show(cost_table(found, measured), note, document, "complexity-costs")
        show(reading_table(measured), note, document, "complexity-reading")


def write_sources(found: Mapping[str, Tested], document: Path | None) -> None:
    """Show what subbands gain on pixels of the same images, and put it into a document if there is one."""
    rows = [["MMAC, at most", "images", "pixels, %", "subbands, %", "subbands less pixels, over seeds", "bootstrap"]]
    for budget in sorted({budget for each in found.values() for budget, _ in each}):
        for title, each in found.items():
            gain = gained(each, budget, "pixels")
            if gain is not None:
                seeds = len(gain)
                seen = (spread([one["accuracy"] for one in each[budget, arm][:seeds]]) for arm in ("pixels", CODES))
                rows.append([f"{budget:g}", title, *seen, str(over(gain.mean(1))), str(bootstrap(gain, nested=1))])
    show(rows, "Three seeds, differences in points.", document, "complexity-sources")


def draw(found: Tested, measured: Mapping[str, Any], folder: Path) -> None:
    """A picture for each cost: accuracy over it, a curve for each arm, with intervals over seeds if there are some."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    cost = costs(found, measured)
    for name, (title, unit, _) in COSTS.items():
        known = [place for place in found if name in cost[place]]
        if not known:
            continue
        with matplotlib.rc_context({"svg.hashsalt": name, "font.size": 9}):
            figure = Figure(figsize=(5.4, 3.6), layout="constrained")
            axes = figure.subplots()
            for arm in dict.fromkeys(arm for _, arm in known):
                places = [place for place in known if place[1] == arm]
                intervals = [over([one["accuracy"] for one in found[place]]) for place in places]
                reach = [0 if np.isnan(each.high) else each.high - each.mean for each in intervals]
                x, y = [cost[place][name] / unit for place in places], [each.mean for each in intervals]
                axes.errorbar(x, y, reach, marker="o", markersize=4, linewidth=1.2, capsize=2, label=arm)
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_xlabel(title)
            axes.set_ylabel("test accuracy, %")
            axes.grid(alpha=0.2)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False)
            figure.savefig(folder / f"complexity_{name}.svg", format="svg", metadata={"Date": None})
