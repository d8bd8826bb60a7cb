"""What the codes of a JPEG codec hold."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray
from torch import Tensor


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

    @property
    def most(self) -> int:
        """The least level is minus this, the greatest one less."""
        # A coefficient of 8-bit samples is at most 1024; rounding it to a multiple of its step at most doubles it.
        return 2048 if self.dequantize else 1024

    def has_tables(self, tables: Sequence[NDArray[Any]]) -> bool:
        """Whether a file's tables are the codec's own."""
        own = (table.numpy() for table in self.tables)
        return all((theirs == mine).all() for theirs, mine in zip(tables, own, strict=False))
