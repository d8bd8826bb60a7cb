"""The values of a block as one number."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.core.arguments import check_integer_list
from lossy_lightning.functional import to_blocks
from lossy_lightning.nn.stems._values import ValueStem, fixed_grid


class Packed(ValueStem):
    """The codes of one spatial block as one number in [-1, 1]: ``(N, C, *grid)`` to ``(N, 1, *grid / block)``.

    The naive control of the literature: as compact as codes get, and all structure is lost. The number's digits are
    the codes of the block, all channels, first code most significant, each of its channel's number of levels. A block
    in which a value is absent is 0.

    Args:
        spec: Of the code.
        block: Codes of a block along each axis of the grid.
        fields: Names of the fields to read; None: all.

    Raises:
        ValueError: If the block does not divide the grid, or the number would need more than 63 bits.

    Example:
        >>> stem = Packed(CodeSpec.uniform((1, 4), 0, 1, ordinal=False), block=(2,))
        >>> stem(torch.tensor([[[0, 0, 1, 1]]]))
        tensor([[[-1.,  1.]]])
    """

    weight: Tensor
    least: Tensor

    def __init__(self, spec: CodeSpec, block: tuple[int, ...], fields: Sequence[str] | None = None) -> None:
        super().__init__(spec, fields)
        grid = fixed_grid(self.spec)
        check_integer_list(1, block=block)
        sizes = tuple(block)
        if len(sizes) != len(grid) or any(size % width for size, width in zip(grid, sizes, strict=True)):
            raise InputError(f"Packed needs a block that divides the code's grid {grid}; got {block!r}")
        levels = torch.tensor(self.spec.levels).repeat_interleave(prod(block))
        if prod(levels.tolist()) >= 2**63:
            raise InputError(f"Packed holds at most 63 bits a number; a block {tuple(block)} of this code needs more")
        self.block = sizes
        self.shape = (1, *(size // width for size, width in zip(grid, sizes, strict=True)))
        self.greatest: int = prod(levels.tolist()) - 1
        weight = torch.ones_like(levels)
        weight[:-1] = levels.flip(0).cumprod(0).flip(0)[1:]
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("least", torch.tensor(self.spec.low).repeat_interleave(prod(block)), persistent=False)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes, whole blocks, if it is padded."""
        code = self.read(code)
        present = self.present(code)
        digits = to_blocks(self.filled(code, present), self.block) - self.least
        number = (digits * self.weight).sum(-1)
        features = (number.double() * (2 / max(self.greatest, 1)) - 1).float()
        if present is not None:
            features = features * to_blocks(present, self.block).all(-1)
        features = features.unsqueeze(1)
        if grid_size is None:
            return features
        return features, grid_size // torch.tensor(self.block, device=grid_size.device)
