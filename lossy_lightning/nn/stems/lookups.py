"""Stems that look codes up: a codec's own codebooks, and convolutions on one-hot codes."""

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core import (
    Codec,
    CodeSpec,
    CodeStatistics,
    Stem,
)
from lossy_lightning.nn.layers.tables import SummedTable


class CodebookSum(Stem):
    """The codec's own words for residual codes, added up: ``(N, stages, *grid)`` to ``(N, dim, *grid)``.

    That is the codec's latent, which its decoder would read. The words are taken over when the task adapts its stem
    to the data; before that they are zero. The index -1, a stage not sent, adds nothing. A code costs one row read and
    ``dim`` additions a stage and position.

    Args:
        spec: Of the code, codebook indices of one range.
        dim: Length of the codec's words: 64 for `Lyra`, 128 for `EnCodec`.
        num_stages: How many stages to read, the first ones; None: all. Fewer are a lower bit rate of the same codes.
        trainable: Whether the words are trained on.
        weight_bit_width: Bits of a table's entry: 1, 4, or 32 (not quantized), with one scale a stage.

    Raises:
        ValueError: Where codes are no indices of one range, there are fewer stages, or the bit width is none of those.

    Example:
        >>> stem = CodebookSum(CodeSpec.uniform((46, 50), 0, 15, ordinal=False), num_stages=16)
        >>> stem(torch.zeros(2, 46, 50, dtype=torch.uint8)).shape
        torch.Size([2, 64, 50])
    """

    start: Tensor

    def __init__(
        self,
        spec: CodeSpec,
        dim: int = 64,
        num_stages: int | None = None,
        trainable: bool = False,
        weight_bit_width: int = 32,
    ) -> None:
        super().__init__()
        stages = len(spec.low) if num_stages is None else num_stages
        if any(f.ordinal for f in spec.fields) or set(spec.low) != {0} or len(set(spec.high)) > 1:
            raise ValueError(f"CodebookSum reads residual codes, indices from 0 of equal codebooks; got {spec}")
        if not 1 <= stages <= len(spec.low) or dim < 1:
            raise ValueError(
                f"this code has {len(spec.low)} stages, and words of 1 or more values; got {stages=}, {dim=}"
            )
        levels = spec.high[0] + 1
        self.num_stages = stages
        self.shape = (dim, *spec.shape[1:])
        start = levels * torch.arange(stages).view(-1, *[1] * (len(spec.shape) - 1))
        self.register_buffer("start", start, persistent=False)
        self.table = SummedTable(stages, levels, dim, weight_bit_width)
        self.table.weight.requires_grad_(trainable)

    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""
        index = code[:, : self.num_stages].long()
        index = torch.where(index < 0, index, index + self.start)
        grid = index.shape[2:]
        sums: Tensor = self.table(index.movedim(1, -1).reshape(-1, self.num_stages))
        return sums.view(len(code), *grid, -1).movedim(-1, 1)

    def adapt(self, codec: Codec, statistics: CodeStatistics) -> None:
        """Take over the codec's codebooks.

        Raises:
            ValueError: Where the codec has none, or words of another length or number.
        """
        codebooks = codec.codebooks()
        if codebooks is None:
            raise ValueError(f"CodebookSum looks up a codec's codebooks; {codec} has none: use another stem")
        words = codebooks[: self.num_stages].flatten(0, 1)
        if words.shape != self.table.weight.shape:
            raise ValueError(
                f"the codec's words have {codebooks.shape[2]} values, {codebooks.shape[1]} words a stage; the stem was "
                f"built for {self.shape[0]} values and {len(self.table.weight) // self.num_stages} words: set "
                f"dim={codebooks.shape[2]}"
            )
        with torch.no_grad():
            self.table.weight.copy_(words)


class LookupConv(Stem):
    """A convolution on one-hot codes, realised as added table rows: ``(N, C, *grid)`` to ``(N, out_channels, *grid')``.

    As `LookupLinear`, but the tables are shared over positions: one of ``levels`` rows for each channel at each place
    of the kernel. An output position costs ``C * prod(kernel)`` row reads, ``out_channels`` additions each, and no
    multiplication; what lies in the padding counts too, and adds nothing, as does the index -1 of residual codes.
    In training the convolution itself is run: matrices are multiplied in half the time that rows take to be gathered,
    and their gradients to be scattered.

    Args:
        spec: Of the code.
        kernel_size: Codes that an output position sees, along each axis of the grid, or for all axes.
        stride: Codes from one output position to the next.
        out_channels: Length of a row.
        padding: Positions without code around the grid, along each axis or for all.

    Raises:
        ValueError: Where a size does not fit the grid.

    Example:
        >>> stem = LookupConv(CodeSpec.uniform((1, 64, 64), 0, 15, ordinal=False), 4, 2, 32, padding=1)
        >>> stem(torch.zeros(2, 1, 64, 64, dtype=torch.uint8)).shape
        torch.Size([2, 32, 32, 32])
    """

    start: Tensor

    def __init__(
        self,
        spec: CodeSpec,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int],
        out_channels: int,
        padding: int | Sequence[int] = 0,
    ) -> None:
        super().__init__()
        axes = len(spec.shape) - 1
        self.kernel_size, self.stride = _each(kernel_size, axes), _each(stride, axes)
        self.padding = _each(padding, axes)
        if min(*self.kernel_size, *self.stride, out_channels) < 1 or min(self.padding) < 0:
            raise ValueError(
                f"LookupConv needs sizes of 1 or more and padding of 0 or more; got {kernel_size=}, {stride=}, "
                f"{out_channels=}, {padding=}"
            )
        self.shape = (out_channels, *map(self._positions, spec.shape[1:], range(axes)))
        levels = torch.tensor(spec.levels)
        # Rows number through channel by channel, within a channel place by place of the kernel.
        places = prod(self.kernel_size)
        first = (levels.cumsum(0) - levels) * places - torch.tensor(spec.low)
        start = first.view(-1, 1) + levels.view(-1, 1) * torch.arange(places)
        self.register_buffer("start", start.flatten(), persistent=False)
        self.places, self.levels, self.lows = places, spec.levels, spec.low
        self.residual = any(field.absent is not None for field in spec.fields)
        self.table = SummedTable(1, int(levels.sum()) * places, out_channels)
        bound = (6 / (places * len(spec.low) + out_channels)) ** 0.5  # of the one code in each place, not of its levels
        nn.init.uniform_(self.table.weight, -bound, bound)

    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""
        if self.training:
            return self._convolve(code)
        sides = [side for width in reversed(self.padding) for side in (width, width)]
        # Far below any row's number, whatever start is added.
        absent = -(2**40)
        numbers = code.long()
        if self.residual:
            numbers = torch.where(numbers < 0, absent, numbers)
        patches = F.pad(numbers, sides, value=absent)
        for axis, (kernel, stride) in enumerate(zip(self.kernel_size, self.stride, strict=True)):
            patches = patches.unfold(2 + axis, kernel, stride)
        grid = patches.shape[2 : 2 + len(self.kernel_size)]
        rows = patches.movedim(1, 1 + len(grid)).flatten(-len(grid) - 1) + self.start
        sums: Tensor = self.table(rows.reshape(-1, rows.shape[-1]))
        return sums.view(len(code), *grid, -1).movedim(-1, 1)

    def _convolve(self, code: Tensor) -> Tensor:
        """The same by multiplying; where the least index is -1 it has a row in the table, which is never read."""
        hot, kernels = [], []
        tables = self.table.weight.split([size * self.places for size in self.levels])  # type: ignore[no-untyped-call]
        for channel, low, size, rows in zip(code.long().unbind(1), self.lows, self.levels, tables, strict=True):
            number = torch.arange(low, low + size, device=code.device).view(-1, *[1] * len(self.kernel_size))
            here = channel.unsqueeze(1) == number
            hot.append(here & (number >= 0) if self.residual else here)
            kernels.append(rows.view(*self.kernel_size, size, -1))
        weight = torch.cat(kernels, -2).movedim((-1, -2), (0, 1))
        convolve = (F.conv1d, F.conv2d, F.conv3d)[len(self.kernel_size) - 1]
        return convolve(torch.cat(hot, 1).to(weight.dtype), weight, stride=self.stride, padding=self.padding)

    def _positions(self, size: int | None, axis: int) -> int | None:
        if size is None:
            return None
        positions = (size + 2 * self.padding[axis] - self.kernel_size[axis]) // self.stride[axis] + 1
        if positions < 1:
            raise ValueError(f"a kernel of {self.kernel_size} does not fit a grid with {size} codes along axis {axis}")
        return positions


def _each(size: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """A size for each axis."""
    sizes = (size,) * axes if isinstance(size, int) else tuple(size) if isinstance(size, Sequence) else ()
    if len(sizes) != axes or not all(isinstance(each, int) for each in sizes):
        raise ValueError(f"this code has {axes} axes, with a whole number for each or for all; got {size!r}")
    return sizes
