"""Values as trained rows of a table."""

from collections.abc import Sequence

from torch import Tensor, nn

from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.nn.stems._values import ValueStem, one_hot_channels, starts


class Embed(ValueStem):
    """A trained row of a table for each value: ``(N, C, *grid)`` to ``(N, C * dim, *grid)``, one table a channel.

    What is absent is a row of zeros.

    Args:
        spec: Of the code.
        dim: Length of a row.
        shared: Whether all channels, of equal range, use one table.
        fields: Names of the fields to read; None: all.

    Raises:
        ValueError: If ``dim`` is below 1, ``shared`` is asked for channels of unequal range, or there are more than
            65 535 rows.

    Example:
        >>> import torch
        >>> stem = Embed(CodeSpec.uniform((2, 5), 0, 15, ordinal=False), dim=8)
        >>> stem(torch.zeros(1, 2, 5, dtype=torch.uint8)).shape
        torch.Size([1, 16, 5])
    """

    start: Tensor

    def __init__(self, spec: CodeSpec, dim: int, shared: bool = False, fields: Sequence[str] | None = None) -> None:
        super().__init__(spec, fields)
        check_integers(1, dim=dim)
        spec = self.spec
        if shared and len(set(zip(spec.low, spec.high, strict=True))) > 1:
            raise InputError("Embed(shared=True) needs channels of one range; use shared=False for this code")
        rows = spec.levels[0] if shared else one_hot_channels(spec, "Embed")
        self.shape = (len(spec.low) * dim, *spec.grid)
        self.register_buffer("start", -self.low if shared else starts(spec), persistent=False)
        self.table = nn.Embedding(rows, dim)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes if it is padded."""
        code = self.read(code)
        present = self.present(code)
        rows: Tensor = self.table(self.filled(code, present) + self.start).movedim(-1, 2)
        if present is not None:
            rows = rows * present.unsqueeze(2)
        features = rows.flatten(1, 2)
        return features if grid_size is None else (features, grid_size)
