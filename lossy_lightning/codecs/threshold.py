"""Pixels compared with thresholds: one bit each."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from lossy_lightning.core import Codec, CodeSpec, InputError


class Threshold(Codec):
    """8-bit pixels as bits, one for each threshold: 1 if the pixel is not below it.

    A network of 1-bit inputs reads them as they come off a sensor. All channels of one threshold come first, then those
    of the next. A decoded pixel is the middle of the values between two thresholds.

    Args:
        thresholds: From 1 to 255, in rising order.

    Raises:
        ValueError: If there are none, or they are no such numbers.

    Example:
        >>> Threshold([64, 128]).encode(torch.tensor([[[7, 100, 250]]], dtype=torch.uint8))
        tensor([[[0, 1, 1]],
        <BLANKLINE>
                [[0, 0, 1]]], dtype=torch.uint8)
    """

    idempotent = True

    def __init__(self, thresholds: Sequence[int] = (128,)) -> None:
        given = list(thresholds) if isinstance(thresholds, Sequence) else []
        if not given or not all(type(each) is int and 1 <= each <= 255 for each in given) or given != sorted({*given}):
            raise InputError(f"thresholds are whole numbers from 1 to 255, in rising order; got {thresholds!r}")
        self.thresholds = thresholds

    def encode(self, signal: Tensor) -> Tensor:
        """Bits of an image: ``(..., C, H, W)`` uint8 to ``(..., thresholds * C, H, W)``, 0 or 1.

        Raises:
            ValueError: If that is no image in uint8.
        """
        if signal.dtype != torch.uint8 or signal.ndim < 3:
            raise InputError(f"Threshold takes images (C, H, W) in uint8; got {tuple(signal.shape)} {signal.dtype}")
        return torch.cat([signal >= each for each in self.thresholds], -3).to(torch.uint8)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """The middle of the values that each pixel may have had."""
        ends = [0, *self.thresholds, 256]
        middles = torch.tensor([(a + b) // 2 for a, b in pairwise(ends)], dtype=torch.uint8)
        reached = torch.stack(code.long().chunk(len(self.thresholds), -3)).sum(0)
        return middles.to(code.device)[reached]

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """One bit for each channel and threshold."""
        return CodeSpec.uniform(((shape[0] or 0) * len(self.thresholds), *shape[1:]), 0, 1, ordinal=True)
