"""The figure of the attack study, and pictures of its median and worst cases."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.attack.tables import (
    VISIBLE_LEVELS,
    VISIBLE_SSIM,
    Array,
    Figures,
    columns,
    is_sound,
    keys,
    settings,
)
from lossy_lightning.callbacks._captions import captioned
from lossy_lightning.callbacks._signals import spectrograms

SHOWN = {
    "samples: samples: greatest": "pixels, pixels changed",
    "samples: coded samples: greatest": "pixels, pixels changed and coded",
    "samples: codes: seen": "pixels, levels changed",
    "codes: coded samples: greatest": "codes, pixels changed and coded",
    "codes: codes: seen": "codes, levels changed",
}
"""Searches that the figure of images shows: what the network reads, and what is changed."""

HEARD = {
    "samples: samples: greatest": "samples, samples changed",
    "samples: coded samples: greatest": "samples, samples changed and coded",
    "samples: codes: number": "samples, levels changed",
    "codes: coded samples: greatest": "codes, samples changed and coded",
    "codes: codes: number": "codes, levels changed",
}
"""The same of sounds."""


class Panel(NamedTuple):
    """A measure in the figure.

    Attributes:
        name: Of its column.
        label: Of its axis.
        along: From the measure to what grows with how much is seen or heard.
        base: Of a logarithmic axis; None: linear.
        threshold: From which on a change counts as visible, as it stands on the axis.
    """

    name: str
    label: str
    along: Callable[[Array], Array]
    base: int | None = None
    threshold: float | None = None


_SEEN = (
    Panel("linf", "greatest change of a pixel, levels of 255", lambda values: values, 2, VISIBLE_LEVELS),
    Panel("ssim", "1 - SSIM of the files' images", lambda values: 1 - values, 10, 1 - VISIBLE_SSIM),
)
_HEARD = (
    Panel("snr", "power of the change over that of the sound, dB", lambda values: -values),
    Panel("lsd", "log-spectral distance, dB", lambda values: values),
)


def shown(figures: Figures, setting: str) -> dict[str, str]:
    """Searches in the pictures of a setting, and their titles."""
    return HEARD if is_sound(figures, setting) else SHOWN


def figure(figures: Figures, setting: str, file: Path) -> None:
    """Of all examples, the share whose least successful change is no more visible than so: two curves a search."""
    import matplotlib
    from matplotlib.figure import Figure

    sound = is_sound(figures, setting)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "attack", "font.family": "sans-serif"}):
        drawn = Figure(figsize=(8.4, 3.6), layout="constrained")
        left, right = drawn.subplots(1, 2, sharey=True)
        for axes, panel in zip((left, right), _HEARD if sound else _SEEN, strict=True):
            for i, (key, title) in enumerate(shown(figures, setting).items()):
                found = columns(figures, setting, key, "size").ravel() >= 0
                values = np.sort(panel.along(columns(figures, setting, key, panel.name).ravel()[found]))
                share = 100 * np.arange(1, len(values) + 1) / max(len(found), 1)
                x = values if panel.base is None else np.maximum(values, 1e-5)
                style = "-" if key.startswith("samples") else "--"
                axes.step(x, share, style, where="post", color=f"C{i}", label=title)
            if panel.base is not None:
                axes.set_xscale("log", base=panel.base)
            if panel.threshold is not None:
                axes.axvline(panel.threshold, color="grey", linewidth=0.8)
            axes.set_xlabel(panel.label)
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        left.set_ylabel("sounds that fool, %" if sound else "images fooled, %")
        drawn.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False)
        file.parent.mkdir(parents=True, exist_ok=True)
        drawn.savefig(file, format="svg", metadata={"Date": None})


def cases(figures: Figures, setting: str, folder: Path, file: Path) -> None:
    """The median and the worst case of each search: clean, adversarial, and their difference.

    Images are sorted by similarity, and their difference is ten times itself; sounds by the signal-to-noise ratio, and
    they are shown as spectrograms.

    Args:
        figures: Of batches.
        setting: Which.
        folder: Where adversarial signals lie: ``<setting>/seed<s>/batch<n>.pt``.
        file: PNG to write.
    """
    from PIL import Image

    batches = {
        (seed, number): torch.load(folder / setting / f"seed{seed}" / f"batch{number}.pt")
        for own, seed, number in figures
        if own == setting and isinstance(number, int) and figures[own, seed, number]["columns"]
    }
    sound = is_sound(figures, setting)
    measure = "snr" if sound else "ssim"
    rows = []
    for key, title in shown(figures, setting).items():
        similar: list[tuple[float, Any, int]] = []
        for (seed, number), stored in batches.items():
            column = figures[setting, seed, number]["columns"].get(key)
            if column is not None and key in stored:
                pairs = zip(column[measure].split(), column["size"].split(), strict=True)
                similar += [
                    (float(text), (seed, number), i) for i, (text, size) in enumerate(pairs) if float(size) >= 0
                ]
        if not similar:
            continue
        similar.sort(key=lambda case: case[0])
        for case, (value, batch, i) in (("median", similar[len(similar) // 2]), ("worst", similar[0])):
            clean, moved = batches[batch]["clean"][i], batches[batch][key][i]
            if sound:
                lines = title.replace(", ", ",\n")
                rows.append((f"{lines}\n{case}: SNR {value:.1f} dB", _spectra(clean, moved)))
            else:
                rows.append((f"{title}\n{case}: SSIM {value:.3f}", _beside(clean, moved)))
    if rows:
        picture = captioned(rows, vertical=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.movedim(0, -1).numpy()).convert("L" if sound else "RGB").save(file)


def _beside(clean: Tensor, moved: Tensor) -> Tensor:
    difference = (128 + 10 * (moved.int() - clean.int())).clamp(0, 255).to(torch.uint8)
    return torch.cat([clean, moved, difference], -1).repeat_interleave(3, 1).repeat_interleave(3, 2)


def _spectra(clean: Tensor, moved: Tensor) -> Tensor:
    return torch.cat(spectrograms([clean, moved, moved.int() - clean.int()]), -1)


def draw(figures: Figures, folder: Path, place: Path) -> None:
    """All pictures of what is there.

    Args:
        figures: Of batches.
        folder: Of adversarial signals; if they are gone, only figures are drawn.
        place: Where pictures go, as ``attack_<setting>.svg`` and ``attack_<setting>_cases.png``.
    """
    for setting in settings(figures):
        if not {*shown(figures, setting)} <= {*keys(figures, setting)}:
            continue
        figure(figures, setting, place / f"attack_{setting}.svg")
        if list((folder / setting).glob("seed*/batch*.pt")):
            cases(figures, setting, folder, place / f"attack_{setting}_cases.png")
