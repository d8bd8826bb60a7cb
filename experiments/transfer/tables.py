"""What the probes say: accuracy by examples a class, how many others need, and what an example costs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.intervals import Interval, bootstrap, over
from experiments.transfer.features import Arm
from experiments.transfer.probes import SIZES, needed

PROBES = ("linear", "hidden")
STYLES = ("--", "-", ":")
"""Of codes, and of either network."""
Found = dict[tuple[str, Arm], dict[str, Any]]
"""What each run left, by data and arm."""
Arms = dict[Arm, dict[str, Any]]
"""The same of one data set."""


def accuracy(run: dict[str, Any], probe: str, number: int | None) -> Interval:
    """In percent; a single one with the interval of its test examples, by bootstrap."""
    values = run[probe][str(number)]
    if len(values) > 1:
        return over(values)
    right = round(values[0] / 100 * run["tested"])
    return bootstrap(100 * (np.arange(run["tested"]) < right).astype(float))


def curve(run: dict[str, Any], probes: tuple[str, ...] = ("linear",)) -> dict[float, float]:
    """Mean accuracy by examples a class, of the best of these probes."""
    return {
        float(run["per_class"] if number is None else number): max(
            float(np.mean(run[probe][str(number)])) for probe in probes
        )
        for number in SIZES
    }


def curves(arms: Arms, probe: str, sizes: Sequence[int | None] = SIZES) -> list[list[str]]:
    """A row for each arm, a column for each number of examples."""
    rows = [[f"{probe}: examples a class", *(str(number or "all") for number in sizes)]]
    for arm, run in arms.items():
        each = [accuracy(run, probe, number) for number in sizes]
        rows.append([str(arm), *(f"{one.mean:.1f} ({one.low:.1f} to {one.high:.1f})" for one in each)])
    return rows


def saved(arms: Arms) -> list[list[str]]:
    """How many examples features of networks need for what each code reaches with 20 of a class, and with all."""
    networks = [arm for arm in arms if arm.network]
    rows = [["as right as", "accuracy, %", *map(str, networks)]]
    for arm, run in arms.items():
        if arm.network:
            continue
        for number in (20, run["per_class"]):
            reached = curve(run, PROBES)[float(number)]
            own = f"{round(number)} a class of {arm}"
            each = (needed(curve(arms[other], PROBES), reached) for other in networks)
            rows.append([own, f"{reached:.1f}", *("not reached" if np.isnan(one) else f"{one:.1f}" for one in each)])
    return rows


def costs(arms: Arms) -> list[list[str]]:
    """What an example takes to read and to store, the linear probe included."""
    rows = [["", "features", "MMAC to the label", "ms to the features", "bytes to store"]]
    for arm, run in arms.items():
        macs = run["macs"] + 10 * run["features"]
        told = "not counted" if np.isnan(macs) else f"{macs / 1e6:.2f}"
        rows.append([str(arm), str(run["features"]), told, f"{run['milliseconds']:.2f}", f"{run['bytes']:.0f}"])
    return rows


def draw(found: Found, folder: Path) -> None:
    """Accuracy of the linear probe by examples a class, a panel for each data set."""
    import matplotlib
    from matplotlib.figure import Figure

    names = [*dict.fromkeys(name for name, _ in found)]
    with matplotlib.rc_context({"svg.hashsalt": "transfer", "font.size": 9}):
        figure = Figure(figsize=(5 * len(names), 5.6), layout="constrained")
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            arms = {arm: run for (own, arm), run in found.items() if own == name}
            codecs, networks = (list(dict.fromkeys(arm[i] for arm in arms)) for i in (0, 1))
            for arm, run in arms.items():
                look = {"color": f"C{codecs.index(arm.codec)}", "linestyle": STYLES[networks.index(arm.network)]}
                axes.plot(*zip(*curve(run).items(), strict=True), **look, marker="o", markersize=3, label=str(arm))
            axes.set_xscale("log")
            axes.set_title(name, fontsize=9)
            axes.set_xlabel("examples a class")
            axes.set_ylabel("test accuracy, %")
            axes.grid(alpha=0.2)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
        figure.savefig(folder / "transfer.svg", format="svg", metadata={"Date": None})
