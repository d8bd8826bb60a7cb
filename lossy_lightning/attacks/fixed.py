"""Values of a code that an attack leaves as they are."""

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from lossy_lightning.core import CodeSpec

Fixed = Callable[[Tensor], Tensor]
"""From codes ``(N, C, *grid)`` to a mask of the same shape: the values that stay."""


def fixed_values(spec: CodeSpec, fields: Collection[str]) -> Fixed:
    """Values that stay if some fields of a code are attacked: those of other fields, and absent ones.

    Args:
        spec: Of the code.
        fields: Names of the fields to attack.

    Example:
        >>> spec = CodeSpec.uniform((3, 2), 0, 15, ordinal=False, absent=-1)
        >>> fixed_values(spec, ["code"])(torch.tensor([[[3, 4], [5, 6], [-1, -1]]]))[0, :, 0]
        tensor([False, False,  True])
    """

    def fixed(code: Tensor) -> Tensor:
        stays = torch.ones_like(code, dtype=torch.bool)
        for name in fields:
            channels, absent = spec.channels(name), spec.field(name).absent
            stays[:, channels] = False if absent is None else code[:, channels] == absent
        return stays

    return fixed
