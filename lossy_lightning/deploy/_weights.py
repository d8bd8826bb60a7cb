"""Which few values weights take: signs times a scale, or small whole numbers times a scale."""

from typing import NamedTuple

import torch
from torch import Tensor


class Weights(NamedTuple):
    """Weights and how they are stored.

    Attributes:
        numbers: Whole numbers ``(outputs, ...)`` int8, signs if ``bit_width`` is 1; or float32 if it is 32.
        scale: Of each output, float32 ``(outputs,)``: a weight is ``numbers * scale``.
        bit_width: Bits of a number: 1 for signs, 2 to 8, or 32.
    """

    numbers: Tensor
    scale: Tensor
    bit_width: int


def read_weights(weights: Tensor) -> Weights:
    """The narrowest exact form of weights ``(outputs, ...)``, as their quantizers left them."""
    flat = weights.detach().float().flatten(1)
    largest = flat.abs().amax(1)
    if bool((flat.abs() == largest.unsqueeze(1)).all()) and bool((largest > 0).all()):
        return Weights(torch.where(weights > 0, 1, -1).to(torch.int8), largest, 1)
    for bit_width in range(2, 9):
        top = 2 ** (bit_width - 1)
        for great in {top - 1, top}:
            for scale in (largest.max().expand_as(largest) / great, largest / great):
                found = _whole(flat, scale, top)
                if found is not None:
                    return Weights(found.view(weights.shape), scale, bit_width)
    return Weights(weights.detach().float(), torch.ones(len(flat)), 32)


def _whole(flat: Tensor, scale: Tensor, top: int) -> Tensor | None:
    """Numbers whose multiples of a scale are exactly these, None if there are none."""
    steps = scale.clamp(min=torch.finfo(torch.float32).tiny).unsqueeze(1)
    numbers = (flat / steps).round().clamp(-top, top - 1)
    return numbers.to(torch.int8) if torch.equal(numbers * steps, flat) else None
