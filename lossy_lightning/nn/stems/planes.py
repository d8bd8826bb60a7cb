"""Binary planes of coefficients, for networks whose first layer has 1 bit."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import zigzag
from lossy_lightning.nn.stems._coefficients import block_fields
from lossy_lightning.nn.stems._values import ValueStem


class CoefficientPlanes(ValueStem):
    """Sign and magnitude of each level, bit by bit, as -1 and 1: ``(N, C, rows, columns)`` to ``(N, planes, ...)``.

    Most levels are near zero, where offset binary (`Bits`) flips all bits between 0 and -1; sign and magnitude change
    few. A magnitude beyond its bits counts as the greatest there is. First come the signs (that of 0 is 1) of the
    means of all blocks, then of the other chosen frequencies, block by block; then a plane of each magnitude bit of
    the means, most significant first, then the planes of the other frequencies. Last comes a plane of presence of each
    of these levels that may be absent, in the order of the signs: 1 if the level is there, else -1, and it counts as 0.

    Args:
        spec: Of a code of 8x8 blocks, such as that of `JPEG`. Steps that it carries are left out.
        luma: Number of frequencies of each block of the first field, the lowest ones in zigzag order.
        chroma: The same of the other fields.
        mean_bit_width: Bits of the magnitude of a block's mean.
        bit_width: Bits of the magnitudes of the other frequencies.
        fields: Names of the fields to read; None: all that are not constant.

    Raises:
        ValueError: If a field is not of 8x8 blocks, or blocks have not that many frequencies or levels that many bits.

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> stem = CoefficientPlanes(JPEG().spec((1, 8, 8)), luma=2, bit_width=2)
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
        luma: int = 64,
        chroma: int = 64,
        mean_bit_width: int = 10,
        bit_width: int = 4,
        fields: Sequence[str] | None = None,
    ) -> None:
        super().__init__(spec, block_fields(spec, "CoefficientPlanes", fields))
        check_integers(1, luma=luma, chroma=chroma, mean_bit_width=mean_bit_width, bit_width=bit_width)
        if max(luma, chroma) > 64 or max(mean_bit_width, bit_width) > 12:
            raise InputError(
                "a block has 1 to 64 frequencies, and a level 1 to 12 bits of magnitude; got "
                f"{luma=}, {chroma=}, {mean_bit_width=}, {bit_width=}"
            )
        counts = [
            luma if index == 0 else chroma
            for index, field in enumerate(self.spec.fields)
            for _ in range(field.num_cells)
        ]
        means = [64 * block for block in range(len(counts))]
        others = [64 * block + f for block, count in enumerate(counts) for f in sorted(zigzag()[1:count])]
        self.register_buffer("means", torch.tensor(means), persistent=False)
        self.register_buffer("others", torch.tensor(others, dtype=torch.long), persistent=False)
        self.mean_bit_width, self.bit_width = mean_bit_width, bit_width
        self.presences = [channel for channel in [*means, *others] if channel in set(self.optional)]
        planes = len(means) * (1 + mean_bit_width) + len(others) * (1 + bit_width)
        self.shape = (planes + len(self.presences), *self.spec.grid)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes if it is padded."""
        code = self.read(code)
        present = self.present(code)
        if present is not None:
            code = torch.where(present, code, 0)
        means, others = code.index_select(1, self.means), code.index_select(1, self.others)
        planes = [torch.cat([means, others], 1) >= 0]
        planes += [_magnitude(means, self.mean_bit_width), _magnitude(others, self.bit_width)]
        if present is not None:
            planes.append(present[:, self.presences])
        features = torch.cat(planes, 1).float() * 2 - 1
        return features if grid_size is None else (features, grid_size)


def _magnitude(levels: Tensor, bit_width: int) -> Tensor:
    """Planes of the magnitudes, most significant first: ``(N, C, ...)`` to ``(N, bit_width * C, ...)``, bool."""
    magnitude = levels.int().abs().clamp(max=2**bit_width - 1)
    return torch.cat([(magnitude >> bit) & 1 for bit in reversed(range(bit_width))], 1).bool()
