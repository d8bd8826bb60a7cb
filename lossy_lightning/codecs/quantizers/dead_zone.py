"""Uniform steps with a wider zone around zero."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lossy_lightning.codecs.quantizers.quantizer import Quantizer
from lossy_lightning.core.arguments import check_numbers

_MOST = 2**30
STEPS = 1e-30, 1e28  # values of all levels are those of float32


class DeadZone(Quantizer):
    """Values over a step, rounded towards zero: ``sign(x) floor(|x| / step + rounding)``.

    With ``rounding = 0`` the zone of zero is two steps wide, as JPEG 2000 has it; with 1/3 or 1/6 it is that of
    encoders of HEVC; with 1/2 there is none, and steps are even. Levels other than zero are decoded to
    ``sign (|level| + reconstruction) step``.

    Args:
        step: Distance of levels, 1e-30 to 1e28.
        rounding: What is added before the fraction is dropped, 0 to 0.5.
        reconstruction: Where in its interval a level is decoded, from its end nearer to zero, in steps, less
            ``rounding``; None: the middle, ``0.5 - rounding``.

    Raises:
        ValueError: If a number is out of range.

    Source: ITU-T T.800 (2019), annex E.

    Example:
        >>> quantizer = DeadZone(10.0)
        >>> quantizer.encode(torch.tensor([[-25.0, -9.0, 9.0, 10.0]])), quantizer.decode(torch.tensor([[-2, 0, 1]]))
        (tensor([[-2,  0,  0,  1]], dtype=torch.int32), tensor([[-25.,   0.,  15.]]))
    """

    def __init__(self, step: float, rounding: float = 0.0, reconstruction: float | None = None) -> None:
        super().__init__()
        check_numbers(*STEPS, step=step)
        check_numbers(0, 0.5, rounding=rounding)
        if reconstruction is not None:
            check_numbers(-rounding, 1 - rounding, excluded=1 - rounding, reconstruction=reconstruction)
        self.step = float(step)
        self.rounding = rounding
        self.reconstruction = reconstruction
        self._shift = 0.5 - rounding if reconstruction is None else reconstruction
        # Float errors must not move a value that is decoded at an end of its interval.
        self.idempotent = 1e-3 < self._shift + rounding < 0.999

    def quantize(self, values: Tensor) -> Tensor:
        """Levels of values; beyond 30 bits they are cut."""
        steps = (values / self.step).clamp_(-_MOST, _MOST)
        # Making them whole numbers drops the fraction.
        return (steps.add_(steps.sign(), alpha=self.rounding) if self.rounding else steps).int()

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Value of each level."""
        levels = code.to(torch.float32)
        return levels.add_(levels.sign(), alpha=self._shift).mul_(self.step)

    def step_sizes(self, channels: int) -> Tensor:
        """The step, for each channel."""
        return torch.full((channels,), self.step)

    def level_ranges(self, bounds: Sequence[float]) -> list[tuple[int, int]]:
        """Levels of ``-bound`` and ``bound``."""
        most = [math.floor(min(bound / self.step + self.rounding, _MOST)) for bound in bounds]
        return [(-one, one) for one in most]
