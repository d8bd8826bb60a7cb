"""What the counts of the drift study say: proxy rates, accuracies of the swapped pair, accuracies by quality."""

from collections.abc import Callable
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.intervals import bootstrap, over, within

Found = dict[tuple[str, str, int], dict[str, Any]]
"""What each run left, by arm, pair and seed; the randomised twin is the pair ``twin``."""

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def counts_of(run: dict[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Counts by quality, ``(true, predicted)``."""
    return {name: np.array(text.split(), int).reshape(10, 10) for name, text in run["counts"].items()}


def proxy_rate(counts: dict[str, np.ndarray[Any, Any]], pair: str) -> float:
    """How much more often examples of other classes are taken for the poor one at quality 10 than at 50, points."""
    poor = CLASSES.index(pair.split("-")[0])
    rates = {}
    for name in ("q10", "q50"):
        others = np.delete(counts[name], poor, 0)
        rates[name] = others[:, poor].sum() / others.sum()
    return float(100 * (rates["q10"] - rates["q50"]))


def swapped_accuracy(counts: dict[str, np.ndarray[Any, Any]], pair: str) -> float:
    """Accuracy on the pair, percent, the poor class at quality 95 and the fine one at 10."""
    poor, fine = map(CLASSES.index, pair.split("-"))
    right = counts["q95"][poor, poor] + counts["q10"][fine, fine]
    return float(100 * right / (counts["q95"][poor].sum() + counts["q10"][fine].sum()))


def straight_accuracy(counts: dict[str, np.ndarray[Any, Any]], pair: str) -> float:
    """The same as in training: the poor class at 10, the fine one at 95."""
    return swapped_accuracy(counts, "-".join(reversed(pair.split("-"))))


Measure = Callable[[dict[str, np.ndarray[Any, Any]], str], float]


def values(found: Found, arm: str, pairs: list[str], seeds: list[int], measure: Measure) -> np.ndarray[Any, Any]:
    """A measure of each confounded run, ``(pairs, seeds)``."""
    return np.array([[measure(counts_of(found[arm, pair, seed]), pair) for seed in seeds] for pair in pairs])


def of_twins(found: Found, arm: str, pairs: list[str], seeds: list[int], measure: Measure) -> np.ndarray[Any, Any]:
    """The same of the randomised twin of each seed."""
    return np.array([[measure(counts_of(found[arm, "twin", seed]), pair) for seed in seeds] for pair in pairs])


def _rows(
    found: Found, titles: dict[str, str], pairs: list[str], seeds: list[int], measure: Measure
) -> list[list[str]]:
    """A row for each arm: confounded, twin, their difference with its intervals, and that less the first arm's."""
    gained: dict[str, np.ndarray[Any, Any]] = {}
    rows = []
    for arm, title in titles.items():
        own, twin = (take(found, arm, pairs, seeds, measure) for take in (values, of_twins))
        gained[arm] = own - twin
        first = next(iter(gained))
        less = "" if arm == first else str(bootstrap(gained[arm] - gained[first], nested=2))
        intervals = [within(list(gained[arm])), over(gained[arm].mean(1)), bootstrap(gained[arm], nested=2)]
        rows.append([title, f"{own.mean():.2f}", f"{twin.mean():.2f}", *map(str, intervals), less])
    return rows


_INTERVALS = ["confounded less twin, over seeds", "over pairs", "bootstrap"]


def proxies(found: Found, titles: dict[str, str], pairs: list[str], seeds: list[int]) -> list[list[str]]:
    """The primary measure, in points."""
    first = next(iter(titles.values()))
    head = ["arm", "proxy rate, confounded", "twin", *_INTERVALS, f"less that of {first}"]
    return [head, *_rows(found, titles, pairs, seeds, proxy_rate)]


def swapped(found: Found, titles: dict[str, str], pairs: list[str], seeds: list[int]) -> list[list[str]]:
    """Accuracy on the swapped pair, in percent."""
    first = next(iter(titles.values()))
    head = ["arm", "swapped pair, confounded, %", "twin, %", *_INTERVALS, f"less that of {first}"]
    return [head, *_rows(found, titles, pairs, seeds, swapped_accuracy)]


def accuracies(found: Found, titles: dict[str, str], pairs: list[str], seeds: list[int]) -> list[list[str]]:
    """What the networks cost and know: accuracy on all test images by quality, confounded and twin."""
    names = list(counts_of(next(iter(found.values()))))
    rows = [["arm", "MMAC", "pair as in training, %", *(f"{name}: confounded, twin, %" for name in names)]]
    for arm, title in titles.items():
        macs = mean(found[arm, "twin", seed]["macs"] for seed in seeds)
        straight = values(found, arm, pairs, seeds, straight_accuracy).mean()
        row = [title, f"{macs / 1e6:.2f}", f"{straight:.1f}"]
        for name in names:

            def right(counts: dict[str, np.ndarray[Any, Any]], pair: str, name: str = name) -> float:
                return float(100 * counts[name].trace() / counts[name].sum())

            shares = (take(found, arm, pairs, seeds, right).mean() for take in (values, of_twins))
            row.append(", ".join(f"{share:.1f}" for share in shares))
        rows.append(row)
    return rows
