"""Values as bits, by a rule or by learning."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.functional import to_bits, to_gray
from lossy_lightning.nn.layers import sign
from lossy_lightning.nn.stems._values import ValueStem, starts


class Bits(ValueStem):
    """Bits of each channel as -1 and 1, most significant first: ``(N, C, *grid)`` to ``(N, sum(bit_widths), *grid)``.

    The number is ``code - low`` (offset binary), or its Gray label, whose neighbours differ in one bit. Behind the
    bits of all channels stands a plane of presence for each channel whose values may be absent: 1 if the value is
    there, else -1, and its bits are -1 then.

    Args:
        spec: Of the code.
        gray: Whether to use Gray labels.
        fields: Names of the fields to read; None: all.

    Example:
        >>> stem = Bits(CodeSpec.uniform((1, 1), 0, 15, ordinal=False))
        >>> stem(torch.tensor([[[6]]])).flatten()
        tensor([-1.,  1.,  1., -1.])
        >>> Bits(CodeSpec.uniform((2, 1), 0, 1, ordinal=False, absent=-1))(torch.tensor([[[1], [-1]]])).flatten()
        tensor([ 1., -1.,  1., -1.])
    """

    def __init__(self, spec: CodeSpec, gray: bool = False, fields: Sequence[str] | None = None) -> None:
        super().__init__(spec, fields)
        self.gray = gray
        self.bit_widths = self.spec.bit_widths
        self.shape = (sum(self.bit_widths) + len(self.optional), *self.spec.grid)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes if it is padded."""
        code = self.read(code)
        present = self.present(code)
        number = self.filled(code, present) - self.low
        if self.gray:
            number = to_gray(number)
        if len(set(self.bit_widths)) == 1:
            bits = to_bits(number, self.bit_widths[0]).movedim(-1, 2).flatten(1, 2)
        else:
            channels = zip(number.unbind(1), self.bit_widths, strict=True)
            bits = torch.cat([to_bits(channel, width).movedim(-1, 1) for channel, width in channels], 1)
        if present is not None:
            bits = torch.cat([bits, *self.presence(present)], 1)
        features = bits.float() * 2 - 1
        return features if grid_size is None else (features, grid_size)


class LearnedBits(ValueStem):
    """Trained bits, -1 and 1, of each value: ``(N, C, *grid)`` to ``(N, sum(bit_widths), *grid)``.

    It takes the place of `Bits` while a task learns which bits the values of each channel should have; planes of
    presence follow as there. Two values may get the same bits; `assign_labels` makes labels of them, one for each
    value, and `Relabeled` codes with these.

    Args:
        spec: Of the code.
        fields: Names of the fields to read; None: all.

    Raises:
        ValueError: If the channels are not of one range.

    Example:
        >>> stem = LearnedBits(CodeSpec.uniform((1, 5), 0, 15, ordinal=False))
        >>> stem(torch.zeros(1, 1, 5, dtype=torch.uint8)).shape
        torch.Size([1, 4, 5])
    """

    start: Tensor

    def __init__(self, spec: CodeSpec, fields: Sequence[str] | None = None) -> None:
        super().__init__(spec, fields)
        spec = self.spec
        if len(set(zip(spec.low, spec.high, strict=True))) > 1:
            raise InputError(f"LearnedBits needs channels of one range; got {spec}: name others by fields")
        self.shape = (sum(spec.bit_widths) + len(self.optional), *spec.grid)
        self.register_buffer("start", starts(spec), persistent=False)
        self.bits = nn.Parameter(torch.empty(len(spec.low), spec.levels[0], spec.bit_widths[0]).uniform_(-1, 1))

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes if it is padded."""
        if self.training:
            self.bits.data.clamp_(-1, 1)  # beyond, no gradient would pass
        code = self.read(code)
        present = self.present(code)
        rows = F.embedding(self.filled(code, present) + self.start, sign(self.bits).flatten(0, 1)).movedim(-1, 2)
        if present is None:
            features = rows.flatten(1, 2)
        else:
            bits = torch.where(present.unsqueeze(2), rows, -1).flatten(1, 2)
            features = torch.cat([bits, *(planes.to(bits.dtype) * 2 - 1 for planes in self.presence(present))], 1)
        return features if grid_size is None else (features, grid_size)
