"""The figure of the attack study, and pictures of its median and worst cases."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.attack.tables import (
    VISIBLE_LEVELS,
    VISIBLE_SSIM,
    Figures,
    columns,
    is_sound,
    keys,
    settings,
)
from lossy_lightning.callbacks._captions import captioned

SHOWN = {
    "samples: samples: greatest": "pixels, pixels changed",
    "samples: coded samples: greatest": "pixels, pixels changed and coded",
    "samples: codes: seen": "pixels, levels changed",
    "codes: coded samples: greatest": "codes, pixels changed and coded",
    "codes: codes: seen": "codes, levels changed",
}
"""Searches that the figure shows: what the network reads, and what is changed."""


def figure(figures: Figures, setting: str, file: Path) -> None:
    """Of all examples, the share whose least successful change is no more visible than so: two curves a search."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "attack", "font.family": "sans-serif"}):
        drawn = Figure(figsize=(8.4, 3.6), layout="constrained")
        left, right = drawn.subplots(1, 2, sharey=True)
        for i, (key, title) in enumerate(SHOWN.items()):
            style = "-" if key.startswith("samples") else "--"
            for axes, name in ((left, "linf"), (right, "ssim")):
                values = np.sort(columns(figures, setting, key, name).ravel())
                if name == "ssim":
                    values = 1 - values[::-1]
                share = 100 * np.arange(1, len(values) + 1) / max(len(values), 1)
                axes.step(np.maximum(values, 1e-5), share, style, where="post", color=f"C{i}", label=title)
        left.set_xscale("log", base=2)
        left.axvline(VISIBLE_LEVELS, color="grey", linewidth=0.8)
        left.set_xlabel("greatest change of a pixel, levels of 255")
        left.set_ylabel("images fooled, %")
        right.set_xscale("log")
        right.axvline(1 - VISIBLE_SSIM, color="grey", linewidth=0.8)
        right.set_xlabel("1 - SSIM of the files' images")
        drawn.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False)
        for axes in (left, right):
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        file.parent.mkdir(parents=True, exist_ok=True)
        drawn.savefig(file, format="svg", metadata={"Date": None})


def cases(figures: Figures, setting: str, folder: Path, file: Path) -> None:
    """Clean, adversarial and ten times the difference of the median and the worst image of each search, by similarity.

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
    rows = []
    for key, title in SHOWN.items():
        similar: list[tuple[float, Any, int]] = []
        for (seed, number), stored in batches.items():
            column = figures[setting, seed, number]["columns"].get(key)
            if column is not None and key in stored:
                similar += [(float(text), (seed, number), i) for i, text in enumerate(column["ssim"].split())]
        if not similar:
            continue
        similar.sort(key=lambda case: case[0])
        for name, (value, batch, i) in (("median", similar[len(similar) // 2]), ("worst", similar[0])):
            shown = _beside(batches[batch]["clean"][i], batches[batch][key][i]).repeat_interleave(3, 1)
            rows.append((f"{title}\n{name}: SSIM {value:.3f}", shown.repeat_interleave(3, 2)))
    if rows:
        picture = captioned(rows, vertical=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.movedim(0, -1).numpy()).save(file)


def _beside(clean: Tensor, moved: Tensor) -> Tensor:
    difference = (128 + 10 * (moved.int() - clean.int())).clamp(0, 255).to(torch.uint8)
    return torch.cat([clean, moved, difference], -1)


def draw(figures: Figures, folder: Path, place: Path) -> None:
    """All pictures of what is there.

    Args:
        figures: Of batches.
        folder: Of adversarial signals; if they are gone, only figures are drawn.
        place: Where pictures go, as ``attack_<setting>.svg`` and ``attack_<setting>_cases.png``.
    """
    for setting in settings(figures):
        if is_sound(figures, setting) or not {*SHOWN} <= {*keys(figures, setting)}:
            continue
        figure(figures, setting, place / f"attack_{setting}.svg")
        if list((folder / setting).glob("seed*/batch*.pt")):
            cases(figures, setting, folder, place / f"attack_{setting}_cases.png")
