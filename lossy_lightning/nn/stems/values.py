"""Stems: what the numbers of a code become on entering a model."""

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core import CodeSpec, InputError, Stem
from lossy_lightning.functional import to_bits, to_blocks, to_gray
from lossy_lightning.nn.layers.quantized import sign

_MOST_CHANNELS = 65_535


class Scale(Stem):
    """Each channel scaled linearly from its range to [-1, 1]: ``(N, C, *grid)`` to ``(N, C, *grid)``.

    Example:
        >>> stem = Scale(CodeSpec.uniform((1, 2), 0, 255, ordinal=True))
        >>> stem(torch.tensor([[[0, 255]]], dtype=torch.uint8))
        tensor([[[-1.,  1.]]])
    """

    low: Tensor
    span: Tensor

    def __init__(self, spec: CodeSpec) -> None:
        super().__init__()
        self.shape = spec.shape
        column = (-1,) + (1,) * (len(spec.shape) - 1)
        self.register_buffer("low", torch.tensor(spec.low, dtype=torch.float32).view(column), persistent=False)
        span = torch.tensor(spec.levels, dtype=torch.float32).view(column) - 1
        self.register_buffer("span", span.clamp(min=1), persistent=False)

    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""
        return (code - self.low) * (2 / self.span) - 1


class OneHot(Stem):
    """Each channel as one-hot vectors: ``(N, C, *grid)`` to ``(N, sum(levels), *grid)``, channel by channel.

    Raises:
        ValueError: Where there would be more than 65 535 channels.
    """

    start: Tensor

    def __init__(self, spec: CodeSpec) -> None:
        super().__init__()
        self.channels = _one_hot_channels(spec, "OneHot")
        self.shape = (self.channels, *spec.shape[1:])
        self.register_buffer("start", _starts(spec), persistent=False)

    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""
        features = code.new_zeros((len(code), self.channels, *code.shape[2:]), dtype=torch.float32)
        return features.scatter_(1, code.long() + self.start, 1.0)


class Bits(Stem):
    """Bits of each channel as -1 and 1, most significant first: ``(N, C, *grid)`` to ``(N, sum(bit_widths), *grid)``.

    The number is ``code - low`` (offset binary), or its Gray label, whose neighbours differ in one bit.

    Args:
        spec: Of the code.
        gray: Whether to use Gray labels.

    Example:
        >>> stem = Bits(CodeSpec.uniform((1, 1), 0, 15, ordinal=False))
        >>> stem(torch.tensor([[[6]]])).flatten()
        tensor([-1.,  1.,  1., -1.])
    """

    low: Tensor

    def __init__(self, spec: CodeSpec, gray: bool = False) -> None:
        super().__init__()
        self.gray = gray
        self.bit_widths = spec.bit_widths
        self.shape = (sum(spec.bit_widths), *spec.shape[1:])
        low = torch.tensor(spec.low).view(-1, *[1] * (len(spec.shape) - 1))
        self.register_buffer("low", low, persistent=False)

    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""
        number = code.long() - self.low
        if self.gray:
            number = to_gray(number)
        if len(set(self.bit_widths)) == 1:
            bits = to_bits(number, self.bit_widths[0]).movedim(-1, 2).flatten(1, 2)
        else:
            channels = zip(number.unbind(1), self.bit_widths, strict=True)
            bits = torch.cat([to_bits(channel, width).movedim(-1, 1) for channel, width in channels], 1)
        return bits.float() * 2 - 1


class LearnedBits(Stem):
    """Trained bits, -1 and 1, of each value: ``(N, C, *grid)`` to ``(N, sum(bit_widths), *grid)``.

    It takes the place of `Bits` while a task learns which bits the values of each channel should have. Two values may
    get the same bits; `assign_labels` makes labels of them, one for each value, and `Relabeled` codes with these.

    Args:
        spec: Of the code.

    Raises:
        ValueError: Where the channels are not of one range.
    """

    start: Tensor

    def __init__(self, spec: CodeSpec) -> None:
        super().__init__()
        if len(set(zip(spec.low, spec.high, strict=True))) > 1:
            raise ValueError(f"LearnedBits needs channels of one range; got {spec}")
        self.shape = (sum(spec.bit_widths), *spec.shape[1:])
        self.register_buffer("start", _starts(spec), persistent=False)
        self.bits = nn.Parameter(torch.empty(len(spec.low), spec.levels[0], spec.bit_widths[0]).uniform_(-1, 1))

    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""
        if self.training:
            self.bits.data.clamp_(-1, 1)  # beyond, no gradient would pass
        rows = F.embedding(code.long() + self.start, sign(self.bits).flatten(0, 1))
        return rows.movedim(-1, 2).flatten(1, 2)


class Packed(Stem):
    """The codes of one spatial block as one number in [-1, 1]: ``(N, C, *grid)`` to ``(N, 1, *grid / block)``.

    The naive control of the literature: as compact as codes get, and all structure is lost. The number's digits are
    the codes of the block, all channels, first code most significant, each of its channel's number of levels.

    Args:
        spec: Of the code.
        block: Codes of a block along each axis of the grid.

    Raises:
        ValueError: Where the block does not divide the grid, or the number would need more than 63 bits.
    """

    weight: Tensor
    low: Tensor

    def __init__(self, spec: CodeSpec, block: tuple[int, ...]) -> None:
        super().__init__()
        grid = _fixed(spec)[1:]
        sizes = tuple(block) if isinstance(block, Sequence) else ()
        if len(sizes) != len(grid) or any(width < 1 or size % width for size, width in zip(grid, sizes, strict=True)):
            raise ValueError(f"Packed needs a block that divides the code's grid {grid}; got {block!r}")
        levels = torch.tensor(spec.levels).repeat_interleave(prod(block))
        if prod(levels.tolist()) >= 2**63:
            raise ValueError(f"Packed holds at most 63 bits a number; a block {tuple(block)} of this code needs more")
        self.block = sizes
        self.shape = (1, *(size // width for size, width in zip(grid, sizes, strict=True)))
        self.greatest: int = prod(levels.tolist()) - 1
        weight = torch.ones_like(levels)
        weight[:-1] = levels.flip(0).cumprod(0).flip(0)[1:]
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("low", torch.tensor(spec.low).repeat_interleave(prod(block)), persistent=False)

    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""
        digits = to_blocks(code.long(), self.block) - self.low
        number = (digits * self.weight).sum(-1)
        return (number.double() * (2 / max(self.greatest, 1)) - 1).float().unsqueeze(1)


class Embed(Stem):
    """A trained row of a table for each value: ``(N, C, *grid)`` to ``(N, C * dim, *grid)``, one table a channel.

    Args:
        spec: Of the code.
        dim: Length of a row.
        shared: Whether all channels, of equal range, use one table.

    Raises:
        ValueError: Where ``shared`` is asked for channels of unequal range, or there are more than 65 535 rows.
    """

    start: Tensor

    def __init__(self, spec: CodeSpec, dim: int, shared: bool = False) -> None:
        super().__init__()
        if shared and len(set(zip(spec.low, spec.high, strict=True))) > 1:
            raise ValueError("Embed(shared=True) needs channels of one range; use shared=False for this code")
        rows = spec.levels[0] if shared else _one_hot_channels(spec, "Embed")
        self.shape = (len(spec.low) * dim, *spec.shape[1:])
        start = -torch.tensor(spec.low).view(-1, *[1] * (len(spec.shape) - 1)) if shared else _starts(spec)
        self.register_buffer("start", start, persistent=False)
        self.table = nn.Embedding(rows, dim)

    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""
        rows: Tensor = self.table(code.long() + self.start)
        return rows.movedim(-1, 2).flatten(1, 2)


class LookupLinear(Stem):
    """A linear layer on one-hot codes, realised as table rows added up: ``(N, C, *grid)`` to ``(N, out_features)``.

    Each channel at each place of the grid has a table of ``levels`` rows; it costs one row read and ``out_features``
    additions a code, and no multiplication.

    Args:
        spec: Of the code.
        out_features: Length of a row.

    Raises:
        ValueError: Where one position alone has more than 65 535 rows.

    Example:
        >>> stem = LookupLinear(CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False), 64)
        >>> stem(torch.zeros(2, 1, 7, 7, dtype=torch.uint8)).shape
        torch.Size([2, 64])
    """

    start: Tensor

    def __init__(self, spec: CodeSpec, out_features: int) -> None:
        super().__init__()
        places = prod(_fixed(spec)[1:])
        rows = _one_hot_channels(spec, "LookupLinear")
        self.shape = (out_features,)
        start = _starts(spec).view(-1, 1) + rows * torch.arange(places)
        self.register_buffer("start", start.flatten(), persistent=False)
        self.table = nn.EmbeddingBag(rows * places, out_features, mode="sum")
        bound = (6 / (rows * places + out_features)) ** 0.5  # Glorot, as for the matrix that it stands for
        nn.init.uniform_(self.table.weight, -bound, bound)

    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""
        features: Tensor = self.table(code.flatten(1).long() + self.start)
        return features


def _fixed(spec: CodeSpec) -> tuple[int, ...]:
    """The spec's shape, or an error where it varies."""
    if None in spec.shape:
        raise ValueError(f"this stem needs codes of one size; got shape {spec.shape}: crop or pad the signals")
    return tuple(size for size in spec.shape if size is not None)


def _starts(spec: CodeSpec) -> Tensor:
    """What to add to each channel's codes, so that all channels' values number through: ``(C, 1, ...)``."""
    levels = torch.tensor(spec.levels)
    starts = levels.cumsum(0) - levels - torch.tensor(spec.low)
    return starts.view(-1, *[1] * (len(spec.shape) - 1))


def _one_hot_channels(spec: CodeSpec, stem: str) -> int:
    channels = sum(spec.levels)
    if channels > _MOST_CHANNELS:
        raise InputError(
            f"{stem} of this code would have {channels} one-hot channels, more than {_MOST_CHANNELS}; "
            "use Scale or Bits instead, or a codec of fewer levels"
        )
    return channels
