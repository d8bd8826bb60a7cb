"""Values as one-hot vectors."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossy_lightning.core import CodeSpec
from lossy_lightning.nn.stems._values import ValueStem, one_hot_channels, starts


class OneHot(ValueStem):
    """Each channel as one-hot vectors: ``(N, C, *grid)`` to ``(N, sum(levels), *grid)``, channel by channel.

    What is absent is a vector of zeros.

    Args:
        spec: Of the code.
        fields: Names of the fields to read; None: all.

    Raises:
        ValueError: If there would be more than 65 535 channels.

    Example:
        >>> stem = OneHot(CodeSpec.uniform((1, 1), 0, 3, ordinal=False))
        >>> stem(torch.tensor([[[2]]])).flatten()
        tensor([0., 0., 1., 0.])
    """

    start: Tensor

    def __init__(self, spec: CodeSpec, fields: Sequence[str] | None = None) -> None:
        super().__init__(spec, fields)
        self.channels = one_hot_channels(self.spec, "OneHot")
        self.shape = (self.channels, *self.spec.grid)
        self.register_buffer("start", starts(self.spec), persistent=False)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes if it is padded."""
        code = self.read(code)
        present = self.present(code)
        index = self.filled(code, present) + self.start
        features = code.new_zeros((code.shape[0], self.channels, *code.shape[2:]), dtype=torch.float32)
        if present is None:
            features.scatter_(1, index, 1.0)
        else:
            features.scatter_(1, index, present.float())
        return features if grid_size is None else (features, grid_size)
