"""Patches of pixels as channels."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.nn.stems.scale import Scale


class SpaceToDepth(Scale):
    """Pixels scaled to [-1, 1], those of a square patch side by side: ``(N, C, H, W)`` to ``(N, C * n * n, H/n, W/n)``.

    The pixels' own way to a coarse grid: the control for `InverseDCT` by ``8 / patch``, on the same layers behind.

    Args:
        spec: Of the pixels, such as those of `PCM`.
        patch: Height and width ``n`` of a patch.
        fields: Names of the fields to read; None: all.

    Raises:
        ValueError: If it does not divide height and width, or images differ in size.

    Example:
        >>> SpaceToDepth(CodeSpec.uniform((3, 32, 32), 0, 255, ordinal=True)).shape
        (12, 16, 16)
    """

    def __init__(self, spec: CodeSpec, patch: int = 2, fields: Sequence[str] | None = None) -> None:
        super().__init__(spec, fields)
        check_integers(1, patch=patch)
        height, width = image_size(self.spec)
        if height % patch or width % patch:
            raise InputError(f"a patch divides height and width; got {patch=}, shape {self.spec.shape}")
        self.patch = patch
        self.shape = (len(self.spec.low) * patch**2, height // patch, width // patch)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of pixels, and their own sizes, whole patches, if images are padded."""
        features = F.pixel_unshuffle(self.scaled(code), self.patch)
        return features if grid_size is None else (features, grid_size // self.patch)


def image_size(spec: CodeSpec) -> tuple[int, int]:
    """Height and width of images of one size.

    Raises:
        ValueError: If codes are no images, or vary in size.
    """
    # A patch at the end of a padded image would mix it with padding.
    if len(spec.grid) != 2 or None in spec.grid:
        raise InputError(f"this stem reads images (C, H, W) of one size; got codes of shape {spec.shape}: crop them")
    height, width = (side or 0 for side in spec.grid)
    return height, width
