"""A linear layer on one-hot codes, by looking up."""

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core import CodeSpec, valid_positions
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.nn.layers._tables import sum_of_rows
from lossy_lightning.nn.stems._values import ValueStem, fixed_grid, one_hot_channels, starts


class LookupLinear(ValueStem):
    """A linear layer on one-hot codes, realised as table rows added up: ``(N, C, *grid)`` to ``(N, out_features)``.

    Each channel at each place of the grid has a table of ``levels`` rows; it costs one row read and ``out_features``
    additions a code, and no multiplication. What is absent, or padding, adds nothing.

    Args:
        spec: Of the code.
        out_features: Length of a row.
        fields: Names of the fields to read; None: all.

    Raises:
        ValueError: If ``out_features`` is below 1, or one position alone has more than 65 535 rows.

    Example:
        >>> stem = LookupLinear(CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False), 64)
        >>> stem(torch.zeros(2, 1, 7, 7, dtype=torch.uint8)).shape
        torch.Size([2, 64])
    """

    start: Tensor

    def __init__(self, spec: CodeSpec, out_features: int, fields: Sequence[str] | None = None) -> None:
        super().__init__(spec, fields)
        check_integers(1, out_features=out_features)
        places = prod(fixed_grid(self.spec))
        rows = one_hot_channels(self.spec, "LookupLinear")
        self.shape = (out_features,)
        start = starts(self.spec).view(-1, 1) + rows * torch.arange(places)
        self.register_buffer("start", start.flatten(), persistent=False)
        self.table = nn.EmbeddingBag(rows * places, out_features, mode="sum")
        bound = (6 / (rows * places + out_features)) ** 0.5  # Glorot, as for the matrix that it stands for
        nn.init.uniform_(self.table.weight, -bound, bound)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes, of no axis, if it is padded."""
        code = self.read(code)
        present = self.present(code)
        index = self.filled(code, present).flatten(1) + self.start
        if grid_size is not None:
            own = valid_positions(grid_size, tuple(code.shape[2:])).unsqueeze(1).expand_as(code)
            present = own if present is None else own & present
        features: Tensor
        if present is None and not torch.compiler.is_exporting():
            features = self.table(index)
        else:
            rows = F.pad(self.table.weight, (0, 0, 0, 1))
            there = index if present is None else torch.where(present.flatten(1), index, len(rows) - 1)
            features = sum_of_rows(there, rows)
        return features if grid_size is None else (features, grid_size[:, :0])
