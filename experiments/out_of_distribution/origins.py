"""Drift of the origin, before the judges: sound that once had a lower sampling rate, images that once were smaller.

Networks are as published, and were trained on sound at 16 kHz and on images of 224 pixels. Nothing is coded: sound is
brought to 12 or 8 kHz and back, images to three quarters or half of their size and back.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.out_of_distribution.coders import Coders
from experiments.out_of_distribution.resampled import through


def origins() -> dict[str, Coders]:
    """By kind of signals, and by where they come from."""
    return {
        "sound": {f"{rate // 1000} kHz": partial(sound, rate=rate) for rate in (12_000, 8_000)},
        "images": {f"{share:g} of the size": partial(image, share=share) for share in (0.75, 0.5)},
    }


def sound(signal: Tensor, rate: int) -> tuple[Tensor, float]:
    """What is left of a sound at 16 kHz, and bits at the lower rate."""
    return through(signal[None], rate)[0], signal.numel() * rate / 16_000 * 16


def image(signal: Tensor, share: float) -> tuple[Tensor, float]:
    """What is left of an image, and bits of the smaller one."""
    bring = partial(F.interpolate, mode="bilinear", antialias=True, align_corners=False)
    sizes = [round(share * size) for size in signal.shape[-2:]]
    again = bring(bring(signal[None].float(), sizes), signal.shape[-2:])[0]
    return again.round().clamp(0, 255).to(torch.uint8), 8.0 * len(signal) * sizes[0] * sizes[1]
