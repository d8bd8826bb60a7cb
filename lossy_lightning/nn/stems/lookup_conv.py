"""A convolution on one-hot codes, by looking up."""

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core import CodeSpec, InputError, valid_positions
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.nn.layers._tables import SummedTable
from lossy_lightning.nn.stems._values import ValueStem

#: Far below any row's number, whatever start is added.
_NO_ROW = -(2**40)


class LookupConv(ValueStem):
    """A convolution on one-hot codes, realised as added table rows: ``(N, C, *grid)`` to ``(N, out_channels, *grid')``.

    As `LookupLinear`, but the tables are shared over positions: one of ``levels`` rows for each channel at each place
    of the kernel. An output position costs ``C * prod(kernel)`` row reads, ``out_channels`` additions each, and no
    multiplication; what is absent, or lies in the padding, counts too, and adds nothing.
    In training the convolution itself is run: matrices are multiplied in half the time that rows take to be gathered,
    and their gradients to be scattered.

    Args:
        spec: Of the code.
        kernel_size: Codes that an output position sees, along each axis of the grid, or for all axes.
        stride: Codes from one output position to the next.
        out_channels: Length of a row.
        padding: Positions without code around the grid, along each axis or for all.
        fields: Names of the fields to read; None: all.

    Raises:
        ValueError: If a size does not fit the grid.

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
        fields: Sequence[str] | None = None,
    ) -> None:
        super().__init__(spec, fields)
        check_integers(1, out_channels=out_channels)
        axes = len(spec.grid)
        self.kernel_size, self.stride = _each(kernel_size, axes), _each(stride, axes)
        self.padding = _each(padding, axes)
        if min(*self.kernel_size, *self.stride, out_channels) < 1 or min(self.padding) < 0:
            raise InputError(
                f"LookupConv needs sizes of 1 or more and padding of 0 or more; got {kernel_size=}, {stride=}, "
                f"{out_channels=}, {padding=}"
            )
        self.shape = (out_channels, *map(self._positions, spec.grid, range(axes)))
        levels = torch.tensor(self.spec.levels)
        # Rows number through channel by channel, within a channel place by place of the kernel.
        places = prod(self.kernel_size)
        first = (levels.cumsum(0) - levels) * places - torch.tensor(self.spec.low)
        start = first.view(-1, 1) + levels.view(-1, 1) * torch.arange(places)
        self.register_buffer("start", start.flatten(), persistent=False)
        self.places, self.levels, self.lows = places, self.spec.levels, self.spec.low
        self.table = SummedTable(1, int(levels.sum()) * places, out_channels)
        # Of the one code in each place, not of its levels.
        bound = (6 / (places * len(self.lows) + out_channels)) ** 0.5
        nn.init.uniform_(self.table.weight, -bound, bound)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes if it is padded; a code below the kernel's size has one position."""
        code = self.read(code)
        own = None if grid_size is None else valid_positions(grid_size, tuple(code.shape[2:])).unsqueeze(1)
        features = self._convolve(code, own) if self.training else self._look_up(code, own)
        if grid_size is None:
            return features
        kernel, stride, padding = (
            torch.tensor(each, device=grid_size.device) for each in (self.kernel_size, self.stride, self.padding)
        )
        return features, ((grid_size + 2 * padding - kernel) // stride + 1).clamp(min=1)

    def _look_up(self, code: Tensor, own: Tensor | None) -> Tensor:
        """Sums of rows."""
        numbers, present = code.long(), self.present(code)
        if own is not None:
            present = own if present is None else own & present
        if present is not None:
            numbers = torch.where(present, numbers, _NO_ROW)
        sides = [side for width in reversed(self.padding) for side in (width, width)]
        patches = F.pad(numbers, sides, value=_NO_ROW)
        for axis, (kernel, stride) in enumerate(zip(self.kernel_size, self.stride, strict=True)):
            patches = patches.unfold(2 + axis, kernel, stride)
        grid = patches.shape[2 : 2 + len(self.kernel_size)]
        rows = patches.movedim(1, 1 + len(grid)).flatten(-len(grid) - 1) + self.start
        sums: Tensor = self.table(rows.reshape(-1, rows.shape[-1]))
        return sums.view(code.shape[0], *grid, -1).movedim(-1, 1)

    def _convolve(self, code: Tensor, own: Tensor | None) -> Tensor:
        """The same by multiplying; what is absent is equal to no number, so nothing is hot."""
        hot, kernels = [], []
        tables = self.table.weight.split([size * self.places for size in self.levels])  # type: ignore[no-untyped-call]
        for channel, low, size, rows in zip(code.long().unbind(1), self.lows, self.levels, tables, strict=True):
            number = torch.arange(low, low + size, device=code.device).view(-1, *[1] * len(self.kernel_size))
            here = channel.unsqueeze(1) == number
            hot.append(here if own is None else here & own)
            kernels.append(rows.view(*self.kernel_size, size, -1))
        weight = torch.cat(kernels, -2).movedim((-1, -2), (0, 1))
        convolve = (F.conv1d, F.conv2d, F.conv3d)[len(self.kernel_size) - 1]
        return convolve(torch.cat(hot, 1).to(weight.dtype), weight, stride=self.stride, padding=self.padding)

    def _positions(self, size: int | None, axis: int) -> int | None:
        if size is None:
            return None
        positions = (size + 2 * self.padding[axis] - self.kernel_size[axis]) // self.stride[axis] + 1
        if positions < 1:
            raise InputError(f"a kernel of {self.kernel_size} does not fit a grid with {size} codes along axis {axis}")
        return positions


def _each(size: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """A size for each axis."""
    sizes = (size,) * axes if isinstance(size, int) else tuple(size) if isinstance(size, Sequence) else ()
    if len(sizes) != axes or not all(isinstance(each, int) for each in sizes):
        raise InputError(f"this code has {axes} axes, with a whole number for each or for all; got {size!r}")
    return sizes
