"""Values as they are, scaled."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossy_lightning.core import CodeSpec
from lossy_lightning.nn.stems._values import ValueStem


class Scale(ValueStem):
    """Each channel scaled linearly from its range to [-1, 1]: ``(N, C, *grid)`` to ``(N, C, *grid)``.

    What is absent is 0.

    Args:
        spec: Of the code.
        fields: Names of the fields to read; None: all.

    Example:
        >>> stem = Scale(CodeSpec.uniform((1, 2), 0, 255, ordinal=True))
        >>> stem(torch.tensor([[[0, 255]]], dtype=torch.uint8))
        tensor([[[-1.,  1.]]])
    """

    least: Tensor
    span: Tensor

    def __init__(self, spec: CodeSpec, fields: Sequence[str] | None = None) -> None:
        super().__init__(spec, fields)
        self.shape = self.spec.shape
        self.register_buffer("least", self.low.float(), persistent=False)
        span = torch.tensor(self.spec.levels, dtype=torch.float32).view(self.low.shape) - 1
        self.register_buffer("span", span.clamp(min=1), persistent=False)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes if it is padded."""
        features = self.scaled(code)
        return features if grid_size is None else (features, grid_size)

    def scaled(self, code: Tensor) -> Tensor:
        """Values of a code of all fields, scaled."""
        code = self.read(code)
        features = (code - self.least) * (2 / self.span) - 1
        present = self.present(code)
        return features if present is None else features * present
