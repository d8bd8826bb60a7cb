"""Surrogates for dead gradients: past rounding, bits, tables and codecs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from lossy_lightning.attacks._features import floats, packed
from lossy_lightning.attacks._first_order import first_order_change, what_it_reads
from lossy_lightning.attacks._gradients import any_by_channel, reached_channels
from lossy_lightning.attacks.fixed import Fixed
from lossy_lightning.attacks.gradient_step import Bound, columns, per_channel
from lossy_lightning.core import InputError, Stem

Forward = Callable[[Tensor], Tensor]


class NoGradientError(InputError):
    """No gradient flows from the logits to the values of a code, and no module reads them."""


def identity(x: Tensor) -> Tensor:
    """The input itself."""
    return x


def straight_through(function: Forward, surrogate: Forward = identity) -> Forward:
    """A function forward, its differentiable surrogate backward (BPDA): for a model behind a codec.

    Args:
        function: Such as encoding and decoding a signal; it may use integers, and needs no gradient.
        surrogate: A differentiable stand-in with outputs of the same shape; by default the identity, right for
            anything that returns nearly its input.

    Returns:
        A function of float tensors with the values of the one and the gradient of the other.

    Source: Athalye et al., Obfuscated gradients give a false sense of security, ICML 2018, section 4.1.

    Example:
        >>> x = torch.tensor([0.4, 1.7], requires_grad=True)
        >>> straight_through(torch.round)(x).sum().backward()
        >>> x.grad
        tensor([1., 1.])
    """

    def call(x: Tensor) -> Tensor:
        with torch.no_grad():
            value = function(x.detach())
        if not torch.is_grad_enabled():
            return value
        smooth = surrogate(x)
        return smooth + (value - smooth).detach()

    return call


def find_stem(forward: Forward, code: Tensor, model: nn.Module) -> nn.Module | None:
    """The module that reads the integer code itself and returns floats: a `Stem`, or else the innermost such module.

    Of stems inside stems it is the outermost, which reads all fields of the code.

    Args:
        forward: Codes to logits, through the model.
        code: ``(N, C, *grid)``, integer.
        model: The model, whose modules are searched; not itself.

    Returns:
        That module; None if the model makes floats of the code without one.
    """
    found: list[nn.Module] = []

    def note(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        x = args[0] if args else None
        if not isinstance(x, Tensor) or x.is_floating_point() or x.shape != code.shape or not floats(output):
            return
        if bool((x == code).all()):
            found.append(module)

    handles = [module.register_forward_hook(note) for module in model.modules() if module is not model]
    try:
        with torch.no_grad():
            forward(code)
    finally:
        for handle in handles:
            handle.remove()
    stems = [module for module in found if isinstance(module, Stem)]
    return stems[-1] if stems else next(iter(found), None)


def through_stem(forward: Forward, stem: nn.Module, example: Tensor, low: Bound, high: Bound, width: Bound) -> Forward:
    """The forward as a function of the code's values, with a gradient through a stem that has none of its own.

    The stem's outputs are exact; its gradient is the secant over ``[code - width, code + width]``, of each value
    alone. So a threshold that the attack can cross has a slope, however the stem is built.

    Args:
        forward: Codes to logits, through the stem.
        stem: The module that reads the code: bits, one-hot, thermometer, a table. From `find_stem`.
        example: Codes ``(N, C, *grid)``, integer, such as those to be attacked; the stem is tried on a few of them.
        low: Least code value.
        high: Greatest code value, inclusive.
        width: How far the secant reaches, in code values; the attack's budget is a good choice.

    Returns:
        Code values as float32 ``(N, C, *grid)`` to logits.

    Source: the surrogate of Athalye et al., ICML 2018, section 4.1, taken from the stem itself.
    """
    reads = what_it_reads(stem, example, low, high)

    def change(code: Tensor, other: Tensor, feature_gradient: Tensor) -> Tensor:
        return first_order_change(stem, code, other, feature_gradient, reads)

    def call(values: Tensor) -> Tensor:
        code = values.detach().to(example.dtype)
        span = per_channel(low, code), per_channel(high, code), per_channel(width, code)

        def attach(module: nn.Module, args: Any, features: Any) -> Any:
            given = floats(features)
            attached = _Secant.apply(values, change, code, span, *(feature.detach() for feature in given))  # type: ignore[no-untyped-call]
            by_id = dict(zip(map(id, given), attached, strict=True))
            return tree_map_only(Tensor, lambda tensor: by_id.get(id(tensor), tensor), features)

        with stem.register_forward_hook(attach):
            return forward(code)

    return call


def differentiable(
    forward: Forward,
    code: Tensor,
    model: nn.Module,
    low: Bound,
    high: Bound,
    width: Bound,
    fixed: Fixed | None = None,
) -> tuple[Forward, Forward]:
    """The forward as a function of the code's values, twice: with the model's own gradient and with a live one.

    If the model makes floats of the code by differentiable operations, both are the same. If a stem has no
    gradient of its own (bits, one-hot, tables), the first one's gradient is zero and the second is `through_stem`; so
    it is if a stem has a gradient for some channels only, and reads others without. A gradient is judged over all
    examples: one that flows but is zero, as behind a saturated softmax, is not replaced.

    Args:
        forward: As in `find_stem`.
        code: As in `find_stem`.
        model: As in `find_stem`.
        low: As in `through_stem`.
        high: As in `through_stem`.
        width: As in `through_stem`.
        fixed: From codes to a mask of the values that stay, such as `fixed_values`; None: all may change.

    Returns:
        The naive and the adaptive forward, each of float32 code values ``(N, C, *grid)``.

    Raises:
        NoGradientError: If there is no stem and no gradient flows to the input.
    """
    free = any_by_channel(torch.ones_like(code, dtype=torch.bool) if fixed is None else ~fixed(code))
    stem = find_stem(forward, code[:1], model)
    if stem is None:
        reached = reached_channels(forward, code)
        # One that reaches other channels only is dead, one that is zero everywhere has vanished.
        if reached is None or (bool(reached.any()) and not bool((reached & free).any())):
            raise NoGradientError(
                "no gradient reaches the input: make a forward that does with `straight_through`, or let a module "
                "of the model read the integer code itself"
            )
        return forward, forward
    reached = reached_channels(stem.forward, code)
    own = _without_gradient(forward, code.dtype) if reached is None else _into_stem(forward, stem, code.dtype)
    if reached is not None and not _is_read(stem, code[:1], ~reached & free, low, high):
        return own, own
    return own, through_stem(forward, stem, code, low, high, width)


class _Secant(torch.autograd.Function):
    """Features in the forward pass; in the backward pass the slope of the stem over the reach of the attack."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, change: Any, code: Tensor, span: Any, *features: Tensor) -> Any:
        ctx.change, ctx.code, ctx.span = change, code, span
        return tuple(feature.view_as(feature) for feature in features)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        code, (low, high, width) = ctx.code, ctx.span
        up = torch.minimum(code + width, high).to(code.dtype)
        down = torch.maximum(code.to(torch.int64) - width, low).to(code.dtype)
        # From end to end, the other values at their low ends too and not as they are: half as many runs, and the same
        # slope if what the values do to the features adds up.
        rise = ctx.change(down, up, packed(list(grad_outputs), code))
        run = (up.to(torch.int64) - down.to(torch.int64)).clamp(min=1)
        return rise.float() / run, None, None, None, *[None] * len(grad_outputs)


def _into_stem(forward: Forward, stem: nn.Module, dtype: torch.dtype) -> Forward:
    """The forward, whose stem reads the values themselves and so carries their gradient."""

    def call(values: Tensor) -> Tensor:
        with stem.register_forward_pre_hook(lambda module, args: (values, *args[1:])):
            return forward(values.detach().to(dtype))

    return call


def _without_gradient(forward: Forward, dtype: torch.dtype) -> Forward:
    """The forward with a gradient of zero: all that a naive attacker gets."""

    def call(values: Tensor) -> Tensor:
        logits = forward(values.detach().to(dtype))
        return logits + 0 * columns(values.flatten(1).sum(1), logits)

    return call


def _is_read(stem: nn.Module, code: Tensor, channels: Tensor, low: Bound, high: Bound) -> bool:
    """Whether some channels of the code, given by a mask, change the features of a stem."""
    if not bool(channels.any()):
        return False
    least, greatest = per_channel(low, code), per_channel(high, code)
    span, chosen = greatest - least + 1, channels.view(-1, *[1] * (code.ndim - 2))
    with torch.no_grad():
        features = packed(stem.forward(code), code)
        for moved in (least + greatest - code, least + (code - least + span // 2) % span):
            if not torch.equal(packed(stem.forward(torch.where(chosen, moved.to(code.dtype), code)), code), features):
                return True
    return False
