"""Block transforms."""

from lossy_lightning.functional.transforms.dct import (
    dct,
    dct_islow,
    double_blocks,
    halve_blocks,
    idct,
    idct_islow,
)

__all__ = [
    "dct",
    "dct_islow",
    "double_blocks",
    "halve_blocks",
    "idct",
    "idct_islow",
]
