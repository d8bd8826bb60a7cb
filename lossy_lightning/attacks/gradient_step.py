"""One step of an integer code along a gradient."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossy_lightning.attacks.fixed import Fixed
from lossy_lightning.core import InputError

Bound = int | Sequence[int] | Tensor
"""One number for all channels, or one per channel: a sequence or tensor of length C."""


def quantized_gradient_step(
    code: Tensor,
    gradient: Tensor,
    steps: int,
    low: Bound,
    high: Bound,
    bits: int | Sequence[int] | None = None,
    k: int | None = None,
) -> Tensor:
    """Move an integer code along a gradient by whole code values, inside its range.

    Without ``bits`` every value moves by ``steps`` in the direction of its sign. With ``bits`` the gradient of each
    example is scaled by its greatest magnitude and rounded to that many bits per channel (signed, symmetric), so that
    the greatest entry moves by ``steps`` and the others in proportion, rounded to whole values.

    Args:
        code: ``(N, C, *grid)``, integer.
        gradient: ``(N, C, *grid)``, along which to move; negate it to descend.
        steps: Greatest move, in code values.
        low: Least code value.
        high: Greatest code value, inclusive.
        bits: Bits of the quantized gradient, for all channels or one number per channel, each at least 2; None: sign.
        k: Number of values that may move, in each example those of greatest gradient that are not at their bound
            already; None: all.

    Returns:
        Codes of the same shape and dtype.

    Raises:
        ValueError: If the code is no integer, or leaves its range, or gradient, steps, bits or k do not fit.

    Source:
        Goodfellow et al., Explaining and harnessing adversarial examples, ICLR 2015, section 4 (sign).

    Example:
        >>> code = torch.tensor([[[0, 100, 254]]], dtype=torch.uint8)
        >>> quantized_gradient_step(code, torch.tensor([[[-1.0, 0.4, 9.0]]]), steps=3, low=0, high=255)
        tensor([[[  0, 103, 255]]], dtype=torch.uint8)
    """
    check_code(code, low, high)
    if gradient.shape != code.shape or gradient.isnan().any():
        raise InputError(f"a gradient has the code's shape {tuple(code.shape)} and no NaN; got {tuple(gradient.shape)}")
    if steps < 1:
        raise InputError(f"steps is a whole number of code values, at least 1; got {steps}")
    direction = gradient.sign() if bits is None else _quantized(gradient, bits)
    moved = code + (steps * direction).round().to(torch.int64)
    moved = moved.clamp(per_channel(low, code), per_channel(high, code))
    if k is not None:
        moved = torch.where(_greatest(gradient.abs() * (moved != code), k), moved, code)
    return moved.to(code.dtype)


def per_channel(bound: Bound, code: Tensor) -> Tensor:
    """A bound as int64 that broadcasts over codes ``(N, C, *grid)``.

    Raises:
        ValueError: If there is neither one number nor one for each channel.
    """
    if bound is None:
        raise InputError("the range of the code is not known; pass low and high, such as 0 and 255, or a codec's spec")
    values = torch.as_tensor(bound, device=code.device)
    if values.is_floating_point():
        raise InputError(f"bounds and budgets are whole code values; got {bound}")
    if values.ndim == 1:
        if len(values) != code.shape[1]:
            raise InputError(f"a bound is one number or one for each of {code.shape[1]} channels; got {len(values)}")
        values = values.view(-1, *[1] * (code.ndim - 2))
    return values.to(torch.int64)


def check_code(code: Tensor, low: Bound, high: Bound, fixed: Fixed | None = None) -> None:
    """Check that a code is of integers, and inside its range unless a value is fixed.

    Raises:
        ValueError: If it is not.
    """
    if code.is_floating_point() or code.is_complex() or code.dtype == torch.bool or code.ndim < 2:
        raise InputError(
            f"an attack moves integer codes (N, C, *grid); got {code.dtype} of shape {tuple(code.shape)}: "
            "encode the signal first, or pass (255 * image).round().to(torch.uint8)"
        )
    values = code.to(torch.int64)
    outside = (values < per_channel(low, code)) | (values > per_channel(high, code))
    if fixed is not None:
        outside &= ~fixed(code)
    if outside.any():
        raise InputError(f"the code ranges from {values.min()} to {values.max()}, outside low={low} to high={high}")


def columns(numbers: Tensor, like: Tensor) -> Tensor:
    """One number per example, ``(N,)``, as ``(N, 1, ...)``."""
    return numbers.view(-1, *[1] * (like.ndim - 1))


def _quantized(gradient: Tensor, bits: int | Sequence[int]) -> Tensor:
    """Each example's gradient over its greatest magnitude, in ``2**bits - 1`` equal steps from -1 to 1."""
    levels = 2 ** (per_channel(bits, gradient) - 1) - 1
    if (levels < 1).any():
        raise InputError(f"a signed gradient takes 2 bits or more; got bits={bits}")
    greatest = gradient.flatten(1).abs().amax(1).clamp(min=torch.finfo(gradient.dtype).tiny)
    return (gradient / columns(greatest, gradient) * levels).round() / levels


def _greatest(magnitude: Tensor, k: int) -> Tensor:
    """The k greatest entries of each example as a mask."""
    flat = magnitude.flatten(1)
    if not 1 <= k <= flat.shape[1]:
        raise InputError(f"k is the number of values that move, 1 to {flat.shape[1]} here; got {k}")
    return torch.zeros_like(flat, dtype=torch.bool).scatter_(1, flat.topk(k).indices, True).view_as(magnitude)
