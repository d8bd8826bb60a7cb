"""Samples as they are: the control that every codec is compared with."""

import torch
from torch import Tensor

from lossy_lightning.core import Codec, CodeSpec, InputError

_DTYPES = {8: torch.uint8, 16: torch.int16}


class PCM(Codec):
    """Pulse code modulation: 8-bit pixels (uint8) or 16-bit sound samples (int16), unchanged.

    Args:
        bit_width: Bits of a sample, 8 (0 to 255) or 16 (-32768 to 32767).

    Raises:
        ValueError: If the bit width is another.

    Example:
        >>> PCM().encode(torch.tensor([[7, 250]], dtype=torch.uint8))
        tensor([[  7, 250]], dtype=torch.uint8)
    """

    idempotent = True

    def __init__(self, bit_width: int = 8) -> None:
        if bit_width not in list(_DTYPES):
            raise InputError(f"PCM samples have 8 or 16 bits; got bit_width={bit_width}")
        self.bit_width = bit_width

    def encode(self, signal: Tensor) -> Tensor:
        """The signal itself.

        Raises:
            ValueError: If the signal is not of the dtype of the bit width.
        """
        dtype = _DTYPES[self.bit_width]
        if signal.dtype != dtype:
            raise InputError(
                f"PCM with {self.bit_width} bits takes signals of {dtype}; got {signal.dtype}: use PCM(8) for images "
                "in uint8, PCM(16) for sounds in int16"
            )
        return signal

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """The code itself."""
        return code

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """The signal's shape and the range of its dtype."""
        info = torch.iinfo(_DTYPES[self.bit_width])
        return CodeSpec.uniform(shape, info.min, info.max, ordinal=True)
