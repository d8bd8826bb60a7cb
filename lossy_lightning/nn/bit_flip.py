"""Noise on codes."""

import torch
from torch import Tensor, nn


class BitFlip(nn.Module):
    """Flips each bit of a code with some probability, as the ``augmentation`` of a datamodule.

    A network that is trained so relies on no single bit; it takes the place of shifting and turning images where
    only their codes are stored. It is for codes whose levels fill their bits, from 0 to ``2**bit_width - 1``; a
    datamodule refuses one that makes other codes.

    Args:
        probability: Of each bit to be flipped.
        bit_width: Bits of each number of the code.

    Raises:
        ValueError: Where the probability is not from 0 to 1, or the width not from 1 to 8.

    Example:
        >>> BitFlip(1.0, bit_width=4)(torch.tensor([[[0, 6]]], dtype=torch.uint8))
        tensor([[[15,  9]]], dtype=torch.uint8)
    """

    def __init__(self, probability: float, bit_width: int) -> None:
        super().__init__()
        if not 0 <= probability <= 1 or not 1 <= bit_width <= 8:
            raise ValueError(
                f"BitFlip takes a probability from 0 to 1 and 1 to 8 bits; got {probability=}, {bit_width=}"
            )
        self.probability = probability
        self.bit_width = bit_width

    def forward(self, code: Tensor) -> Tensor:
        """Noisy codes, of the same shape and dtype."""
        flipped = torch.zeros_like(code)
        for bit in range(self.bit_width):
            chosen = torch.rand(code.shape, device=code.device) < self.probability
            flipped |= chosen.to(code.dtype) << bit
        return code ^ flipped

    def extra_repr(self) -> str:
        """The arguments."""
        return f"probability={self.probability}, bit_width={self.bit_width}"
