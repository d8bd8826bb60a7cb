"""How visible or audible a change is, example by example, as compact text."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from experiments.attack.routes import Stored
from lossy_lightning.callbacks._distortion import log_spectral_distance

Columns = dict[str, str]
"""Values of each example by the measure's name, separated by spaces."""

WORST = {"linf": 255.0, "ssim": -1.0, "psnr": 0.0, "snr": -99.0, "lsd": 99.0}
"""What an example counts that nothing fooled: no distortion would be worse."""


def as_text(values: Iterable[float]) -> str:
    """Numbers of four digits."""
    return " ".join(f"{float(value):.4g}" for value in values)


def distortion(clean: Tensor, moved: Tensor) -> dict[str, Tensor]:
    """Of each example ``linf``; of images ``ssim`` and ``psnr`` (dB), of sounds ``snr`` and ``lsd`` (dB)."""
    before, after = clean.float(), moved.float()
    error = (after - before).flatten(1)
    found = {"linf": error.abs().amax(1)}
    power = error.square().mean(1).clamp(min=1e-12)
    if clean.dtype == torch.uint8:
        similar = structural_similarity_index_measure(after, before, data_range=255.0, reduction=None)
        return found | {"ssim": torch.as_tensor(similar), "psnr": 10 * (255**2 / power).log10()}
    ratio = before.flatten(1).square().mean(1) / power
    return found | {"snr": 10 * ratio.log10(), "lsd": log_spectral_distance(before, after).mean(-1)}


def record(clean: Stored, moved: Stored, found: Tensor, size: Tensor) -> Columns:
    """All that is kept of one search over a batch: sizes, distortion, changed values of the code, bytes.

    Args:
        clean: What the untouched files hold.
        moved: What the adversarial files hold.
        found: Which examples were fooled, ``(N,)``.
        size: Least budgets, -1 if none was found.
    """
    columns = {"size": as_text(size)}
    for name, values in distortion(clean.signal, moved.signal).items():
        columns[name] = as_text(torch.where(found, values, WORST[name]))
    change = (moved.code.int() - clean.code.int()).flatten(1).abs()
    columns["code_linf"], columns["code_number"] = as_text(change.amax(1)), as_text((change > 0).sum(1))
    columns["file_bytes"] = as_text(moved.file_bytes - clean.file_bytes)
    return columns


def frequencies(clean: Tensor, moved: Tensor) -> str:
    """How many values changed of each channel, all examples and positions."""
    return as_text((moved != clean).flatten(2).sum((0, 2)))
