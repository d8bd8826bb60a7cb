"""What encoders and decoders check of blocks and grids, and their convolutions."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from lossy_lightning.core import InputError
from lossy_lightning.core.arguments import check_integer_list, check_integers

_CONVOLUTIONS: dict[int, tuple[Any, Any]] = {
    1: (nn.Conv1d, nn.ConvTranspose1d),
    2: (nn.Conv2d, nn.ConvTranspose2d),
}


def check_blocks(grid: tuple[int, ...], x: Tensor) -> None:
    if x.shape[2:] != grid:
        raise InputError(
            f"this network knows signals of {grid} blocks; got {tuple(x.shape[2:])}: crop or pad them, or make it for "
            "another grid"
        )


def check_sizes(dim: int, hidden: Sequence[int], channels: int) -> None:
    check_integers(1, dim=dim, channels=channels)
    check_integer_list(1, hidden=hidden)


def check_grid(grid: tuple[int, ...] | None, block: tuple[int, ...]) -> None:
    check_integer_list(1, block=block, grid=block if grid is None else grid)
    convolutions(len(block))
    if grid is not None and len(grid) != len(block):
        raise InputError(f"the grid has an axis for each of the block's; got grid={tuple(grid)}, {block=}")


def convolutions(dimensions: int) -> tuple[Any, Any]:
    """Convolution and transposed convolution."""
    if dimensions not in list(_CONVOLUTIONS):
        raise InputError(f"signals have 1 axis (sound) or 2 (images) after the channels; got {dimensions}")
    return _CONVOLUTIONS[dimensions]
