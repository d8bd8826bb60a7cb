"""What encoders and decoders check of blocks and grids, and their convolutions."""

from typing import Any

from torch import Tensor, nn

from lossy_lightning.core import InputError

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


def check_grid(grid: tuple[int, ...] | None, block: tuple[int, ...]) -> None:
    if grid is not None and len(grid) != len(block):
        raise InputError(f"the grid has an axis for each of the block's; got grid={tuple(grid)}, {block=}")


def convolutions(dimensions: int) -> tuple[Any, Any]:
    """Convolution and transposed convolution."""
    if dimensions not in _CONVOLUTIONS:
        raise InputError(f"signals have 1 axis (sound) or 2 (images) after the channels; got {dimensions}")
    return _CONVOLUTIONS[dimensions]
