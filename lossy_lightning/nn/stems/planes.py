"""Binary planes of coefficients, for networks whose first layer has 1 bit."""

import torch
from torch import Tensor

from lossy_lightning.core import (
    Codec,
    CodeSpec,
    CodeStatistics,
    Stem,
)
from lossy_lightning.functional import mcu_layout
from lossy_lightning.functional.jpeg.mcu import zigzag
from lossy_lightning.nn.stems.coefficients import check_subsampling


class CoefficientPlanes(Stem):
    """Sign and magnitude of each level, bit by bit, as -1 and 1: ``(N, C, rows, columns)`` to ``(N, bits, ...)``.

    Most levels are near zero, where offset binary (`Bits`) flips all bits between 0 and -1; sign and magnitude change
    few. A magnitude beyond its bits counts as the greatest there is. First come the signs (that of 0 is 1) of the
    chosen frequencies, block by block, then a plane of each magnitude bit of the means, most significant first, then
    the planes of the other frequencies.

    Args:
        spec: Of a JPEG code. Tables that it carries are left out.
        chroma_subsampling: Of the code, as of `JPEG`.
        luma: Number of frequencies of each block of luma, the lowest ones in zigzag order.
        chroma: The same of Cb and of Cr.
        mean_bits: Bits of the magnitude of a block's mean.
        bits: Bits of the magnitudes of the other frequencies.

    Raises:
        ValueError: Where such codes do not have that many channels, blocks that many frequencies, or levels that many
            bits.

    Example:
        >>> stem = CoefficientPlanes(CodeSpec.uniform((64, 1, 1), -1024, 1023, ordinal=True), luma=2, bits=2)
        >>> code = torch.zeros(1, 64, 1, 1, dtype=torch.int16)
        >>> code[0, :2, 0, 0] = torch.tensor([3, -1])
        >>> stem(code).flatten().int().tolist()
        [1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 1, -1, 1]
    """

    means: Tensor
    others: Tensor

    def __init__(
        self,
        spec: CodeSpec,
        chroma_subsampling: str = "4:2:0",
        luma: int = 64,
        chroma: int = 64,
        mean_bits: int = 10,
        bits: int = 4,
    ) -> None:
        super().__init__()
        layout = mcu_layout(spec.shape[0], chroma_subsampling)
        self.chroma_subsampling, self.components = chroma_subsampling, layout.components
        if not (1 <= luma <= 64 and 1 <= chroma <= 64 and 1 <= mean_bits <= 12 and 1 <= bits <= 12):
            raise ValueError(
                "a block has 1 to 64 frequencies, and a level 1 to 12 bits of magnitude; got "
                f"{luma=}, {chroma=}, {mean_bits=}, {bits=}"
            )
        counts = [luma if component == 0 else chroma for component in layout.block_components]
        means = [64 * block for block in range(len(counts))]
        others = [64 * block + f for block, count in enumerate(counts) for f in sorted(zigzag()[1:count])]
        self.register_buffer("means", torch.tensor(means), persistent=False)
        self.register_buffer("others", torch.tensor(others, dtype=torch.long), persistent=False)
        self.mean_bits, self.bits = mean_bits, bits
        self.shape = (len(means) * (1 + mean_bits) + len(others) * (1 + bits), *spec.shape[1:])

    def adapt(self, codec: Codec, statistics: CodeStatistics) -> None:
        """Check that the codec lays out chroma as this stem expects; nothing is taken over.

        Raises:
            MisconfigurationException: Where it does not.
        """
        check_subsampling(self, self.chroma_subsampling, self.components, codec)

    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""
        means, others = code.index_select(1, self.means), code.index_select(1, self.others)
        signs = torch.cat([means, others], 1) >= 0
        planes = torch.cat([signs, _magnitude(means, self.mean_bits), _magnitude(others, self.bits)], 1)
        return planes.float() * 2 - 1


def _magnitude(levels: Tensor, bits: int) -> Tensor:
    """Planes of the magnitudes, most significant first: ``(N, C, ...)`` to ``(N, bits * C, ...)``, bool."""
    magnitude = levels.int().abs().clamp(max=2**bits - 1)
    return torch.cat([(magnitude >> bit) & 1 for bit in reversed(range(bits))], 1).bool()
