"""Tables whose rows are added up: what stems on codebook indices read instead of multiplying."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core import InputError


class QuantizedRows(NamedTuple):
    """Rows of a table, and what they declare, under the names of Brevitas's quantized tensors.

    Attributes:
        value: ``(stages, levels, dim)``.
        scale: Step between neighbouring values, ``(stages, 1, 1)``.
        zero_point: Always 0.
        bit_width: Bits of an entry.
    """

    value: Tensor
    scale: Tensor
    zero_point: Tensor
    bit_width: Tensor


class TableQuantizer(nn.Module):
    """Rows of 1 or 4 bits with one scale a stage, ``(stages, levels, dim)`` to the same.

    Gradients pass straight through.

    - 1 bit: the sign of an entry (that of 0 is +1) times the mean magnitude of its stage.
    - 4 bits: integers from -7 to 7 times a seventh of the largest magnitude of the stage.

    Args:
        bit_width: Bits of an entry, 1 or 4.

    Raises:
        ValueError: If it is another.

    Source:
        Rastegari et al., XNOR-Net, ECCV 2016, section 3.1 (the scale of signs).

    Example:
        >>> TableQuantizer(1)(torch.tensor([[[0.5, -1.5]]])).value
        tensor([[[ 1., -1.]]])
    """

    def __init__(self, bit_width: int) -> None:
        super().__init__()
        if bit_width not in (1, 4):
            raise InputError(f"weight_bit_width of a table is 1, 4 or 32 (not quantized); got {bit_width}")
        self.width = bit_width

    def bit_width(self) -> Tensor:
        """Bits of an entry, as Brevitas's quantizers tell it."""
        return torch.tensor(float(self.width))

    def forward(self, rows: Tensor) -> QuantizedRows:
        """Quantized rows."""
        exact = rows.detach()
        if self.width == 1:
            scale = exact.abs().mean((1, 2), keepdim=True)
            quantized = torch.where(exact >= 0, scale, -scale)
        else:
            scale = (exact.abs().amax((1, 2), keepdim=True) / 7).clamp(min=torch.finfo(exact.dtype).tiny)
            quantized = (exact / scale).round() * scale
        value: Tensor = _Straight.apply(rows, quantized)  # type: ignore[no-untyped-call]
        return QuantizedRows(value, scale, torch.zeros_like(scale), self.bit_width())


class _Straight(torch.autograd.Function):
    """The second tensor, with the gradient going to the first; a difference added would be rounded."""

    @staticmethod
    def forward(ctx: Any, exact: Tensor, quantized: Tensor) -> Tensor:
        return quantized.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        return grad_outputs[0], None


class SummedTable(nn.Module):
    """Rows of a table added up: ``(N, n)`` int64 to ``(N, dim)``; a negative index adds nothing.

    It costs as many row reads as there are indices, and ``dim`` additions a row; negative indices count too.

    Args:
        stages: Number of tables, one behind the other.
        levels: Rows of each.
        dim: Length of a row.
        weight_bit_width: Bits of an entry: 1, 4, or 32 (not quantized).

    Raises:
        ValueError: If the bit width is none of those.
    """

    def __init__(self, stages: int, levels: int, dim: int, weight_bit_width: int = 32) -> None:
        super().__init__()
        self.stages = stages
        self.weight = nn.Parameter(torch.zeros(stages * levels, dim))
        self.weight_quant = None if weight_bit_width == 32 else TableQuantizer(weight_bit_width)

    def forward(self, index: Tensor) -> Tensor:
        """Sums of rows."""
        rows = self.weight
        if self.weight_quant is not None:
            rows = self.weight_quant(rows.view(self.stages, -1, rows.shape[1])).value.view_as(rows)
        return sum_of_rows(torch.where(index < 0, len(rows), index), F.pad(rows, (0, 0, 0, 1)))


def sum_of_rows(index: Tensor, rows: Tensor) -> Tensor:
    """Rows of a table added up: ``(N, n)`` int64 to ``(N, dim)``; the last row is of zeros, for what adds nothing.

    A row of zeros that is padded on is no parameter: what is absent costs no memory.
    """
    if torch.compiler.is_exporting():
        # Other engines have no fast bags: those of onnxruntime took 88 ms where this takes 1.
        return F.embedding(index, rows).sum(1)
    return F.embedding_bag(index, rows, mode="sum", padding_idx=len(rows) - 1)
