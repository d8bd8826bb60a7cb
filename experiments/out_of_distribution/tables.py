"""What the measures say: by codec and rate, one codec against another at one rate, class by class."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.intervals import Interval, bootstrap, over

Found = dict[tuple[str, str, str], Any]
"""What each run left, by part, family and kind of signals."""

KINDS = ("speech", "surroundings", "music")
MEASURES = {"cosine": "cosine", "top_5": "five tags", "top_1": "first tag"}
SOUND_RATE = 16.0
"""Bits a sample in kbit/s."""
FIRST, OTHERS, RATES = "Lyra", ("Opus", "MP3", "Codec2", "VQ of speech", "VQ of surroundings"), (3.2, 6.0, 9.2)


class Curve(NamedTuple):
    """Measures of a codec on signals of one kind.

    Attributes:
        rates: Mean of each setting, bits a sample, rising.
        values: ``(settings, signals)``.
        groups: Of each signal.
    """

    rates: NDArray[np.float64]
    values: NDArray[np.float64]
    groups: list[str]

    def at(self, rate: float) -> NDArray[np.float64] | None:
        """A value of each signal at a rate, linear in its logarithm between settings; None if it is not reached."""
        tolerance = 1e-6 * rate
        if not self.rates[0] - tolerance <= rate <= self.rates[-1] + tolerance:
            return None
        places = np.log(self.rates)
        x = float(np.clip(np.log(rate), places[0], places[-1]))
        upper = int(np.clip(np.searchsorted(places, x), 1, len(places) - 1)) if len(places) > 1 else 0
        lower = max(0, upper - 1)
        share = (x - places[lower]) / (places[upper] - places[lower]) if upper else 0.0
        return np.asarray((1 - share) * self.values[lower] + share * self.values[upper])


def curve(found: Found, part: str, family: str, kind: str, measure: str) -> Curve | None:
    """Of a family, if it was run and has the measure."""
    run = found.get((part, family, kind))
    if run is None or any(measure not in each for each in run["settings"].values()):
        return None
    rates = np.array([np.mean(each["bits_per_sample"]) for each in run["settings"].values()])
    values = np.array([each[measure] for each in run["settings"].values()], float)
    order = np.argsort(rates)
    return Curve(rates[order], values[order], run["groups"])


def nested(values: NDArray[np.float64], groups: list[str]) -> NDArray[np.float64]:
    """Values of signals ``(signals,)`` as ``(groups, signals of a group)``; groups of one signal are no groups."""
    names = [*dict.fromkeys(groups)]
    rows = [[value for value, own in zip(values, groups, strict=True) if own == name] for name in names]
    least = min(map(len, rows))
    return values[None] if least == 1 else np.array([row[:least] for row in rows])


def interval(values: NDArray[np.float64], groups: list[str]) -> Interval:
    """Of a mean over signals: groups drawn, and signals within each."""
    return bootstrap(nested(values, groups), nested=2)


def excess(values: NDArray[np.float64], groups: list[str], speech: NDArray[np.float64]) -> Interval:
    """Of the mean of signals less that of speech, drawn apart."""
    return bootstrap(nested(values, groups)[:, :, None] - speech, nested=2)


def _families(found: Found, part: str) -> list[str]:
    return [*dict.fromkeys(family for own, family, _ in found if own == part)]


def _told(run: Any, setting: str, measure: str, digits: int) -> str:
    values = run["settings"][setting].get(measure) if run else None
    middle = np.median if measure == "psnr" else np.mean  # an image that is given back exactly has infinite PSNR
    return "" if values is None else f"{middle(values):.{digits}f}"


def sound_rows(found: Found) -> list[list[str]]:
    """A row for each codec and setting."""
    told = {
        "cosine": ("cosine", 2),
        "top_5": ("five tags", 2),
        "log_spectral_distance": ("log-spectral distance, dB", 1),
    }
    told |= {"si_sdr": ("SI-SDR, dB", 1)}
    rows = [["codec", "kbit/s", *(title for title, _ in told.values())]]
    for family in _families(found, "sound"):
        by_kind = [found.get(("sound", family, kind)) for kind in KINDS]
        for setting in next(run for run in by_kind if run)["settings"]:
            rates = [SOUND_RATE * np.mean(run["settings"][setting]["bits_per_sample"]) for run in by_kind if run]
            rate = f"{min(rates):.1f}" if max(rates) < 1.02 * min(rates) else f"{min(rates):.1f} to {max(rates):.1f}"
            cells = (
                " / ".join(_told(run, setting, measure, digits) for run in by_kind)
                for measure, (_, digits) in told.items()
            )
            rows.append([family, rate, *(cell if any(map(str.isdigit, cell)) else "" for cell in cells)])
    return rows


def compared(found: Found) -> list[list[str]]:
    """Lyra less others at its rates, on the kinds on which they reach them; and on these less on speech."""
    head = ["less", "kbit/s", "measure", *KINDS, "surroundings less speech", "music less speech"]
    rows = [head]
    for other in OTHERS:
        for rate in RATES:
            for measure in ("cosine", "top_5"):
                differences = dict(_differences(found, other, rate, measure))
                if "speech" not in differences or len(differences) == 1:
                    continue
                speech = differences["speech"][0]
                cells = [str(interval(*differences[kind])) if kind in differences else "" for kind in KINDS]
                further = [str(excess(*differences[kind], speech)) if kind in differences else "" for kind in KINDS[1:]]
                rows.append([other, f"{rate:g}", MEASURES[measure], *cells, *further])
    return rows


def _differences(
    found: Found, other: str, rate: float, measure: str
) -> Iterator[tuple[str, tuple[NDArray[np.float64], list[str]]]]:
    """By kind, of each signal Lyra's measure less another's at the same rate."""
    for kind in KINDS:
        curves = [curve(found, "sound", family, kind, measure) for family in (FIRST, other)]
        taken = [None if one is None else one.at(rate / SOUND_RATE) for one in curves]
        if curves[0] and taken[0] is not None and taken[1] is not None:
            yield kind, (taken[0] - taken[1], curves[0].groups)


def breaks(found: Found) -> list[list[str]]:
    """How often the judge's first tag stays, class by class, of Lyra and of Opus at its rates."""
    columns = [(FIRST, rate) for rate in RATES] + [("Opus", rate) for rate in RATES[1:]]
    rows = [["signals", *(f"{family} {rate:g}" for family, rate in columns)]]
    for kind in KINDS:
        taken = []
        for family, rate in columns:
            own = curve(found, "sound", family, kind, "top_1")
            values = None if own is None else own.at(rate / SOUND_RATE)
            taken.append(None if own is None or values is None else (values, own.groups))
        groups = next((each[1] for each in taken if each), [])
        names = ["speech"] if kind == "speech" else [*dict.fromkeys(groups)]
        for name in names:
            inside = np.array([name in (own, kind) for own in groups])
            cells = ("" if each is None else f"{100 * each[0][inside].mean():.0f}" for each in taken)
            rows.append([f"{name.replace('_', ' ')} ({int(inside.sum())})", *cells])
    return rows if len(rows) > 1 and any(rows[1][1:]) else rows[:1]


def image_rows(found: Found) -> list[list[str]]:
    """A row for each codec and setting of images."""
    rows = [["codec", "images", "bits a pixel", "PSNR (median), dB", "SSIM", "same first class, %", "cosine"]]
    for family in _families(found, "images"):
        for kind in ("imagenette", "kodak"):
            run = found.get(("images", family, kind))
            for setting, each in run["settings"].items() if run else ():
                cells = [f"{3 * np.mean(each['bits_per_sample']):.2f}"]
                cells += [_told(run, setting, measure, digits) for measure, digits in (("psnr", 1), ("ssim", 3))]
                same = interval(100 * np.array(each["top_1"]), run["groups"])
                cells += [f"{same.mean:.0f} ({same.low:.0f} to {same.high:.0f})", _told(run, setting, "cosine", 3)]
                rows.append([family, kind, *cells])
    return rows


def resampled_rows(found: Found) -> list[list[str]]:
    """A row for each code that networks read."""
    names = _families(found, "resampled")
    rows = [["network reads", "16 kHz", "from 12 kHz", "from 8 kHz", "8 kHz less 16 kHz"]]
    for name in names:
        runs = [each for (part, own, _), each in found.items() if (part, own) == ("resampled", name)]
        cells = [f"{np.mean([run[rate] for run in runs]):.1f}" for rate in ("16000", "12000", "8000")]
        rows.append([name, *cells, str(over([run["8000"] - run["16000"] for run in runs]))])
    return rows


def origin_rows(found: Found) -> list[list[str]]:
    """A row for each kind of signals and each origin."""
    rows = [["signals", "from", "same first tag or class, %", "five first, %", "cosine"]]
    for (part, _, kind), run in found.items():
        for origin, each in run["settings"].items() if part == "origins" else ():
            same, five = (interval(100 * np.array(each[name]), run["groups"]) for name in ("top_1", "top_5"))
            told = [f"{one.mean:.0f} ({one.low:.0f} to {one.high:.0f})" for one in (same, five)]
            cosine = interval(np.array(each["cosine"]), run["groups"])
            rows.append([kind, origin, *told, f"{cosine.mean:.2f} ({cosine.low:.2f} to {cosine.high:.2f})"])
    return rows


def draw(found: Found, folder: Path) -> None:
    """Cosine of the judge's features by rate, a panel for each kind of sound, with intervals."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "ood", "font.size": 9}):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        for axes, kind in zip(figure.subplots(1, 3, sharey=True), KINDS, strict=True):
            for family in _families(found, "sound"):
                own = curve(found, "sound", family, kind, "cosine")
                if own is None:
                    continue
                each = [interval(values, own.groups) for values in own.values]
                reach = [[one.mean - one.low for one in each], [one.high - one.mean for one in each]]
                means = [one.mean for one in each]
                style = {"marker": "o", "markersize": 3, "linewidth": 1.2, "capsize": 2}
                axes.errorbar(SOUND_RATE * own.rates, means, reach, label=family, **style)
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.set_title(kind, fontsize=9)
            axes.set_xlabel("kbit/s")
            axes.grid(alpha=0.2)
            axes.spines[["top", "right"]].set_visible(False)
        figure.axes[0].set_ylabel("cosine of YAMNet's features")
        figure.axes[0].legend(frameon=False, fontsize=7)
        figure.savefig(folder / "out_of_distribution.svg", format="svg", metadata={"Date": None})
