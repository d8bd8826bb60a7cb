"""What the tests of the study say: accuracies by budget and arm, and what codes gain on pixels."""

from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.harness import machine, show, spread
from benchmarks.intervals import bootstrap, over
from experiments.complexity.trials import Recipe

Tested = dict[tuple[float, str], list[dict[str, Any]]]
"""Figures of each seed, by budget and arm."""
CODES = "codes"


def right(found: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """Whether each seed had each test image right, ``(seeds, images)``."""
    each = [np.unpackbits(np.frombuffer(bytes.fromhex(one["right"]), np.uint8))[: one["examples"]] for one in found]
    return np.stack(each).astype(float)


def gained(found: Tested, budget: float, control: str) -> np.ndarray[Any, Any] | None:
    """Points by which codes are right more often, ``(seeds, images)``; None if there is nothing to compare."""
    if (budget, CODES) not in found or (budget, control) not in found:
        return None
    own, other = found[budget, CODES], found[budget, control]
    seeds = min(len(own), len(other))
    return 100 * (right(own[:seeds]) - right(other[:seeds]))


def accuracies(found: Tested, recipes: Mapping[tuple[float, str], Recipe]) -> list[list[str]]:
    """A row for each budget and arm."""
    rows = [["MMAC, at most", "arm", "form", "MMAC", "test accuracy, %", "codes less it, over seeds", "bootstrap"]]
    for (budget, arm), each in found.items():
        told = recipes[budget, arm]
        form = f"{told.form}{', deeper' * told.deep}, learning rate {told.lr:g}"
        macs = mean(one["macs"] for one in each) / 1e6
        row = [f"{budget:g}", arm, form, f"{macs:.2f}", spread([one["accuracy"] for one in each])]
        points = None if arm == CODES else gained(found, budget, arm)
        row += ["", ""] if points is None else [str(over(points.mean(1))), str(bootstrap(points, nested=1))]
        rows.append(row)
    return rows


def write(found: Tested, recipes: Mapping[tuple[float, str], Recipe], document: Path | None) -> None:
    """Show the tables, and put them into a document if there is one."""
    seeds = max((len(each) for each in found.values()), default=0)
    note = f"Up to {seeds} seed(s), differences in points. Shown on {machine()}."
    show(accuracies(found, recipes), note, document, "complexity-accuracy")
