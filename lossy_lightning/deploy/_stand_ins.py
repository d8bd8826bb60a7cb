"""What stands in for modules while a network is exported."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

#: Beside this times a factor, what is added is less than half a unit in the last place, and nothing overflows.
_HUGE = 2.0**60


@contextmanager
def stand_ins(model: nn.Module, made: Callable[[str, nn.Module], Callable[..., Any] | None]) -> Iterator[None]:
    """Run with other forwards of the modules for which a function of name and module makes one."""
    found = [(module, made(name, module)) for name, module in model.named_modules()]
    changed = [(module, forward) for module, forward in found if forward is not None]
    for module, forward in changed:
        module.forward = forward
    try:
        yield
    finally:
        for module, _ in changed:
            del module.forward


def exact_norm(name: str, module: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """A batch norm in evaluation as torch computes it, to the last bit; None of other modules.

    Torch multiplies and adds with one rounding, which tells the sign of a sum that is nearly 0. A product and a sum in
    float64, rounded to float32, are the same; and no engine merges them into the layer before, whose sums of signs
    would no longer be whole numbers.
    """
    if not isinstance(module, _BatchNorm) or module.running_mean is None:
        return None
    axes = 3 if isinstance(module, nn.BatchNorm3d) else 2 if isinstance(module, nn.BatchNorm2d) else 0
    zero = module.running_mean.new_zeros(1, module.num_features, *[1] * axes)
    offset = module(zero)
    factor = module(zero + _HUGE) / _HUGE
    factor, offset = factor.flatten().double(), offset.flatten().double()

    def normalised(features: Tensor) -> Tensor:
        shape = (-1, *[1] * (features.ndim - 2))
        made: Tensor = features.double() * factor.view(shape) + offset.view(shape)
        return made.to(features.dtype)

    return normalised
