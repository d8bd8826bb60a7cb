"""What the codes of a JPEG codec hold."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.core import InputError
from lossy_lightning.functional import quality_tables


class JPEGLayout(NamedTuple):
    """What the codes of a codec hold: the blocks of an MCU, then tables if they are carried.

    Attributes:
        codec: How errors name the codec.
        chroma_subsampling: Its name.
        factors: ``(h, v)``, luma's sampling factors in colour.
        tables: Quantization tables of the three components, ``(8, 8)`` int32.
        dequantize: Whether levels are coefficients.
        carried: Whether tables follow the blocks.
        requantize: Whether levels of other tables are brought to the codec's own.
    """

    codec: str
    chroma_subsampling: str
    factors: tuple[int, int]
    tables: tuple[Tensor, ...]
    dequantize: bool
    carried: bool
    requantize: bool

    def factors_of(self, components: int) -> tuple[int, int]:
        """Luma's sampling factors of an image with one or three components."""
        return self.factors if components == 3 else (1, 1)

    def num_levels(self, components: int) -> int:
        """Channels of levels."""
        h, v = self.factors_of(components)
        return 64 * (h * v + components - 1)

    def num_channels(self, components: int) -> int:
        """All channels of a code."""
        return self.num_levels(components) + 64 * components * self.carried

    def components_of(self, channels: int) -> int:
        """Components of a code of so many channels: 1 or 3."""
        return 1 if channels == 64 * (1 + self.carried) else 3

    @property
    def limit(self) -> int:
        """The least level is minus this, the greatest one less than this."""
        # A coefficient of 8-bit samples is at most 1024; rounding it to a multiple of its step at most doubles it.
        return 2048 if self.dequantize else 1024

    def has_tables(self, tables: Sequence[NDArray[Any]]) -> bool:
        """Whether a file's tables are the codec's own."""
        own = (table.numpy() for table in self.tables)
        return all((theirs == mine).all() for theirs, mine in zip(tables, own, strict=False))


_TABLES = "quantization_tables are two 8 x 8 tables of integers from 1 to 255, for luma and for chroma; got {}"


def own_tables(quality: int, quantization_tables: Sequence[Sequence[Sequence[int]]] | Tensor | None) -> Tensor:
    """Quantization tables of a codec for luma and for chroma, ``(2, 8, 8)`` int32: those given, or the quality's.

    Raises:
        ValueError: If there is no such quality, or the tables are none.
    """
    if quantization_tables is not None:
        try:
            tables = torch.as_tensor(quantization_tables)
        except (ValueError, TypeError, RuntimeError):  # text, or lists of unlike lengths
            raise InputError(_TABLES.format(repr(quantization_tables))) from None
        return _checked(tables)
    try:
        return quality_tables(quality)
    except ValueError as error:
        raise InputError(str(error)) from None


def _checked(tables: Tensor) -> Tensor:
    if tables.shape != (2, 8, 8) or tables.dtype == torch.bool or tables.is_floating_point() or tables.is_complex():
        raise InputError(_TABLES.format(f"{tables.dtype} of shape {tuple(tables.shape)}"))
    if tables.min() < 1 or tables.max() > 255:
        raise InputError(_TABLES.format(f"{tables.min()} to {tables.max()}"))
    return tables.cpu().int()
