"""Values as they are, behind a batch norm."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lossy_lightning.core import CodeSpec, InputError, valid_positions
from lossy_lightning.nn.layers._padding import norm_of_valid
from lossy_lightning.nn.stems._values import ValueStem

_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}


class ChannelBatchNorm(ValueStem):
    """Each channel as it is, normalised by a batch norm: ``(N, C, *grid)`` to ``(N, C, *grid)``.

    It knows nothing of what values mean: levels are not multiplied with their quantization steps, and fields of steps
    are channels like others. Absent values count in no other's statistics but as 0, and come out as 0.

    Args:
        spec: Of the code, on a grid of one or two axes.
        fields: Names of the fields to read; None: all.

    Raises:
        ValueError: If the grid has other axes.

    Example:
        >>> stem = ChannelBatchNorm(CodeSpec.uniform((3, 8, 8), -128, 127, ordinal=True))
        >>> stem(torch.randint(-128, 128, (16, 3, 8, 8))).std(unbiased=False).round(decimals=2)
        tensor(1., grad_fn=<RoundBackward1>)
    """

    def __init__(self, spec: CodeSpec, fields: Sequence[str] | None = None) -> None:
        super().__init__(spec, fields)
        self.shape = self.spec.shape
        axes = len(self.spec.grid)
        if axes not in _NORMS:
            raise InputError(f"ChannelBatchNorm reads codes on a grid of one or two axes; got shape {self.spec.shape}")
        self.norm = _NORMS[axes](len(self.spec.low))

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes if it is padded."""
        code = self.read(code)
        present = self.present(code)
        values = code.float() if present is None else torch.where(present, code, 0).float()
        valid = None if grid_size is None else valid_positions(grid_size, tuple(code.shape[2:]))
        features = norm_of_valid(self.norm, values, valid)
        features = features if present is None else features * present
        return features if grid_size is None else (features, grid_size)
