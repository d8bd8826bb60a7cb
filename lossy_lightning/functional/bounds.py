"""Bounds that values can come back from."""

import math
from typing import Any

import torch
from torch import Tensor


def bound(x: Tensor, low: float = -math.inf, high: float = math.inf) -> Tensor:
    """Values clipped to ``low`` … ``high``, whose gradient still leads those outside back in.

    The gradient of `torch.clamp` is zero outside, so that a parameter that has left its range never returns. Here it
    passes if a step of gradient descent moves the value towards the range.

    Args:
        x: Of any shape.
        low: Least value.
        high: Greatest value.

    Returns:
        The same shape and dtype.

    Source:
        Ballé, Efficient nonlinear transforms for lossy image compression, PCS 2018.

    Example:
        >>> x = torch.tensor([-1.0, 0.5, 2.0], requires_grad=True)
        >>> bound(x, 0, 1).sum().backward()
        >>> x.grad
        tensor([0., 1., 1.])
    """
    bounded: Tensor = _Bound.apply(x, low, high)  # type: ignore[no-untyped-call]
    return bounded


class _Bound(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.limits = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (x,), (low, high), (grad,) = ctx.saved_tensors, ctx.limits, grad_outputs
        # A step goes against the gradient: from above the range a positive one leads back, from below a negative one.
        passes = ((x >= low) | (grad < 0)) & ((x <= high) | (grad > 0))
        return grad * passes, None, None
