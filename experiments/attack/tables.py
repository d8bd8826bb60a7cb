"""What the figures of the attack study say: least changes by route, how visible they are, and published attacks."""

from collections.abc import Callable, Iterable
from functools import partial
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.intervals import Interval, bootstrap
from experiments.attack.claim import BUDGETS

Array = np.ndarray[Any, Any]
Figures = dict[tuple[str, int, Any], dict[str, Any]]
"""Figures of each batch by setting, seed and number; of each network by its kind in place of the number."""

VISIBLE_SSIM, VISIBLE_LEVELS = 0.95, 1
"""A change counts as visible if its structural similarity is below the one, and its greatest change above the other."""

NETWORKS = {"samples": "decoded samples", "codes": "codes"}


_ROUTE = ("files", "network on", "changed", "made least")
_PRIMARY = (
    *_ROUTE,
    "SSIM, median",
    "SSIM, worst tenth",
    "greatest change, median",
    "greatest change, worst tenth",
    "visible, %",
)
_DETAILS = (
    *_ROUTE,
    "not found, %",
    "least budget",
    "changed levels",
    "greatest change of a level",
    "PSNR or SNR, dB",
    "log-spectral distance, dB",
    "bytes of the file",
)
_SOUNDS = (
    *_ROUTE,
    "SNR, median, dB",
    "SNR, worst tenth, dB",
    "log-spectral distance, median, dB",
    "log-spectral distance, worst tenth, dB",
)


def settings(figures: Figures) -> list[str]:
    """Names of what was attacked."""
    return list(dict.fromkeys(name for name, _, number in figures if isinstance(number, int)))


def keys(figures: Figures, setting: str) -> list[str]:
    """Names of all searches, ``network: route: measure``."""
    found = (part["columns"] for (name, _, number), part in figures.items() if name == setting and number == 0)
    return list(dict.fromkeys(key for columns in found for key in columns))


def columns(figures: Figures, setting: str, key: str, name: str) -> Array:
    """Values of all examples, ``(seeds, examples)``; as many of each seed as the seed of fewest has."""
    by_seed: dict[int, list[float]] = {}
    for (own, seed, number), part in sorted(figures.items(), key=str):
        if own == setting and isinstance(number, int):
            text = part["columns"].get(key, {}).get(name, "")
            by_seed.setdefault(seed, []).extend(map(float, text.split()))
    count = min(map(len, by_seed.values()), default=0)
    return np.array([values[:count] for values in by_seed.values()])


def least_seen(figures: Figures, setting: str, network: str, name: str, of: Iterable[str]) -> Array:
    """A measure of the change that is least visible of several searches: greatest similarity, or least of any other."""
    stacked = np.stack([columns(figures, setting, key, name) for key in of])
    return stacked.max(0) if name in ("ssim", "psnr", "snr") else stacked.min(0)


def quantile(share: float, values: Array) -> Array:
    """Along the last axis; one of the values, so that none is made up."""
    return np.quantile(values, share, axis=-1, method="inverted_cdf")


def interval(values: Array, statistic: Callable[[Array], Array]) -> str:
    """A statistic of all examples and its interval: seeds are drawn, and examples within each."""
    found: Interval = bootstrap(values, nested=2, statistic=statistic)
    return f"{found.mean:.3g} ({found.low:.3g} to {found.high:.3g})"


def seen(similarity: Array, greatest: Array) -> Array:
    """Which changes of images are visible, by the thresholds."""
    return (similarity < VISIBLE_SSIM) & (greatest > VISIBLE_LEVELS)


def is_sound(figures: Figures, setting: str) -> bool:
    """Whether its signals are sounds."""
    return not columns(figures, setting, keys(figures, setting)[0], "ssim").size


def primary(figures: Figures) -> list[list[str]]:
    """Similarity and greatest change at the least successful budget; medians, the worst tenth, and shares visible."""
    rows = [[*_PRIMARY]]
    for setting in settings(figures):
        if is_sound(figures, setting):
            continue
        every = keys(figures, setting)
        for network in NETWORKS:
            own = [key for key in every if key.startswith(f"{network}: ")]
            groups = {tuple(key.split(": ")[1:]): [key] for key in own}
            through_files = [key for key in own if ": samples:" not in key]
            groups["any but samples", "least seen"] = through_files
            for (route, measure), of in groups.items():
                similarity = least_seen(figures, setting, network, "ssim", of)
                greatest = least_seen(figures, setting, network, "linf", of)
                rows.append([
                    setting, NETWORKS[network], route, _MEASURES.get(measure, measure),
                    interval(similarity, partial(quantile, 0.5)), interval(similarity, partial(quantile, 0.1)),
                    interval(greatest, partial(quantile, 0.5)), interval(greatest, partial(quantile, 0.9)),
                    interval(100.0 * seen(similarity, greatest), partial(np.mean, axis=-1)),
                ])  # fmt: skip
    return rows


_MEASURES = {
    "greatest": "greatest change of a value",
    "number": "number of changed values",
    "error": "squared error",
    "seen": "greatest change of a sample",
    "least seen": "what is seen",
    "least heard": "what is heard",
}


def details(figures: Figures) -> list[list[str]]:
    """Medians of what else changes: budgets, levels, PSNR or signal-to-noise ratio, bytes of the file."""
    rows = [[*_DETAILS]]
    for setting in settings(figures):
        sound = is_sound(figures, setting)
        for key in keys(figures, setting):
            network, route, measure = key.split(": ")
            take = partial(columns, figures, setting, key)
            size = take("size")
            names = ["size", "code_number", "code_linf", "snr" if sound else "psnr"]
            medians = [f"{np.median(take(name)):.4g}" for name in names]
            distance = f"{np.median(take('lsd')):.2f}" if sound else ""
            rows.append([
                setting, NETWORKS[network], route, _MEASURES[measure], f"{100 * (size < 0).mean():.1f}", *medians,
                distance, f"{np.median(take('file_bytes')):+.0f}",
            ])  # fmt: skip
    return rows


def bands(figures: Figures) -> list[list[str]]:
    """Where levels of JPEG files change: shares by the sum of both frequencies, of luma and of chroma."""
    edges = {"DC": (0, 0), "1-2": (1, 2), "3-5": (3, 5), "6-14": (6, 14)}
    rows = [["files", "network on", "changed", "made least", *(f"luma {name}, %" for name in edges), "chroma, %"]]
    order = np.add.outer(np.arange(8), np.arange(8)).ravel()
    for setting in settings(figures):
        for key in keys(figures, setting):
            texts = [
                part["columns"].get(key, {}).get("frequencies", "")
                for (name, _, number), part in figures.items()
                if name == setting and isinstance(number, int)
            ]
            counts = [np.array(text.split(), float) for text in texts if text]
            if not counts or any(len(count) != 192 for count in counts):
                continue
            total = np.sum(counts, 0)
            shares = 100 * total / max(total.sum(), 1)
            luma = [shares[:64][(order >= low) & (order <= high)].sum() for low, high in edges.values()]
            network, route, measure = key.split(": ")
            told = (f"{share:.1f}" for share in (*luma, shares[64:].sum()))
            rows.append([setting, NETWORKS[network], route, _MEASURES[measure], *told])
    return rows


def networks(figures: Figures) -> list[list[str]]:
    """What is attacked: accuracy on clean test examples, and cost."""
    rows = [["files", "network on", "accuracy of each seed, %", "mean, %", "MMAC"]]
    for setting in dict.fromkeys(name for name, *_ in figures):
        for kind, title in NETWORKS.items():
            found = [
                part for (name, _, own), part in sorted(figures.items(), key=str) if (name, own) == (setting, kind)
            ]
            if found:
                each = [100 * part["accuracy"] for part in found]
                shown = ", ".join(f"{value:.1f}" for value in each)
                rows.append([setting, title, shown, f"{mean(each):.1f}", f"{found[0]['macs'] / 1e6:.2f}"])
    return rows


_WAYS = {
    "own gradient, in floats": ("own", "floats"),
    "of the other network, in floats": ("other", "floats"),
    "own gradient, through a file": ("own", "files"),
    "of the other network, through a file": ("other", "files"),
}


def claimed(figures: Figures) -> list[list[str]]:
    """Accuracy under attacks in floats, as published, the same through files, and under ours, percent."""
    rows = [["files", "attack", *(f"{NETWORKS[kind]}, {budget}" for kind in NETWORKS for budget in BUDGETS)]]
    for setting in settings(figures):
        parts = [part for (name, _, number), part in figures.items() if name == setting and isinstance(number, int)]
        told = [part["claims"] for part in parts if part["claims"]]
        if not told:
            continue
        count = sum(len(next(iter(part["columns"].values()))["size"].split()) for part in parts if part["claims"])
        for title, (made, how) in _WAYS.items():
            row = [setting, title]
            for kind in NETWORKS:
                source = kind if made == "own" else next(other for other in NETWORKS if other != kind)
                for budget in BUDGETS:
                    right = sum(each[f"{kind}: {source}: {how}: {budget}"] for each in told)
                    row.append(f"{100 * right / count:.1f}")
            rows.append(row)
        adaptive = [setting, "adaptive, through a file"]
        for kind in NETWORKS:
            size = columns(figures, setting, f"{kind}: coded samples: greatest", "size")
            adaptive += [f"{100 * ((size < 0) | (size > budget)).mean():.1f}" for budget in BUDGETS]
        rows.append(adaptive)
    return rows


def checks(figures: Figures) -> list[list[str]]:
    """Means over seeds of the self-check."""
    rows = [["files", "network on", "changed", "budget", "accuracy, %", "strongest, %", "masking index", "uphill"]]
    for setting in settings(figures):
        found = [part["check"] for (name, _, number), part in figures.items() if name == setting and number == 0]
        for key in dict.fromkeys(key for check in found for key in check):
            each = [check[key] for check in found if key in check]
            network, route = key.split(": ")
            told = [mean(one[name] for one in each) for name in ("budget", "accuracy", "strongest", "masking_index")]
            slope = f"{mean(one['uphill'] for one in each):.2f}" if "uphill" in each[0] else ""
            rows.append([
                setting, NETWORKS[network], route, f"{told[0]:.1f}", f"{100 * told[1]:.1f}", f"{100 * told[2]:.1f}",
                f"{told[3]:.2f}", slope,
            ])  # fmt: skip
    return rows


def sounds(figures: Figures) -> list[list[str]]:
    """Of sounds: signal-to-noise ratio and log-spectral distance at the least successful budget."""
    rows = [[*_SOUNDS]]
    for setting in settings(figures):
        if not is_sound(figures, setting):
            continue
        for network in NETWORKS:
            own = [key for key in keys(figures, setting) if key.startswith(f"{network}: ")]
            groups = {tuple(key.split(": ")[1:]): [key] for key in own}
            groups["any but samples", "least heard"] = [key for key in own if ": samples:" not in key]
            for (route, measure), of in groups.items():
                ratio, distance = (least_seen(figures, setting, network, name, of) for name in ("snr", "lsd"))
                rows.append([
                    setting, NETWORKS[network], route, _MEASURES[measure], interval(ratio, partial(quantile, 0.5)),
                    interval(ratio, partial(quantile, 0.1)), interval(distance, partial(quantile, 0.5)),
                    interval(distance, partial(quantile, 0.9)),
                ])  # fmt: skip
    return rows


TABLES: dict[str, Callable[[Figures], list[list[str]]]] = {
    "networks": networks,
    "primary": primary,
    "details": details,
    "frequencies": bands,
    "sounds": sounds,
    "claims": claimed,
    "checks": checks,
}
