"""Gradient attacks that stay on the data's own grid: whole steps of a code, inside the range of each channel."""

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Generator, Tensor

from lossy_lightning.attacks._gradients import gradients
from lossy_lightning.attacks._kept import Kept
from lossy_lightning.attacks.fixed import Fixed
from lossy_lightning.attacks.gradient_step import (
    Bound,
    check_code,
    columns,
    per_channel,
    quantized_gradient_step,
)
from lossy_lightning.attacks.losses import Loss, cross_entropy, judged
from lossy_lightning.core import InputError


def projected_attack(
    forward: Callable[[Tensor], Tensor],
    code: Tensor,
    target: Tensor,
    budget: Bound,
    steps: Sequence[int],
    low: Bound,
    high: Bound,
    *,
    bits: int | Sequence[int] | None = None,
    k: int | None = None,
    momentum: float = 0.0,
    loss: Loss = cross_entropy,
    targeted: bool = False,
    random_start: bool = True,
    restarts: int = 1,
    within: Callable[[Tensor, Tensor], Tensor] | None = None,
    cost: Tensor | None = None,
    fixed: Fixed | None = None,
    draws: int = 1,
    spread: int = 0,
    generator: Generator | None = None,
) -> Tensor:
    """Iterated gradient step, projected to a budget in code values; the best iterate of each example is kept.

    An iterate is better if it fools the model and the other does not, or else if its loss is greater. Restarts
    continue with the examples that still hold. Parameters get no gradient, unless they are in a reentrant checkpoint:
    freeze those; put the model in eval mode yourself. A value whose gradient is NaN stays.

    Args:
        forward: Code values as float32 ``(N, C, *grid)`` to logits ``(N, K)``, differentiable: ``lambda x: net(x /
            255)``. `through_stem` makes one of a model that reads integers.
        code: ``(N, C, *grid)``, integer.
        target: ``(N,)``, int64: the true classes, or the ones to reach if ``targeted``. If it is anything else, such
            as values to regress, the greatest loss is all that counts.
        budget: Greatest change of a value, in code values.
        steps: Greatest move of each iteration, in code values; as many numbers as iterations.
        low: Least code value.
        high: Greatest code value, inclusive.
        bits: As in `quantized_gradient_step`.
        k: As in `quantized_gradient_step`, in each iteration.
        momentum: Share of the previous direction that is added to each gradient, 0 to 1; for gradients that vary from
            one iteration to the next, as those of surrogates do.
        loss: What is increased, or reduced if ``targeted``.
        targeted: Whether ``target`` is to be reached.
        random_start: Whether to start at a random code within the budget instead of at the code itself.
        restarts: Number of runs; more than one is useful only with random starts.
        within: A further budget, such as a `signal_budget`: from clean and moved codes to whether each example meets
            it, ``(N,)``; the moves of least gain are undone until it is met.
        cost: Of a move by one code value in the further budget, ``(C, *grid)`` or what broadcasts to it, positive; the
            moves of least gain per cost, which grows with the move's square, are undone. None: of least gain.
        fixed: From codes to a mask of the values that stay, such as `fixed_values`; None: all may change.
        draws: Gradients that are averaged in each iteration, for models that draw random numbers.
        spread: How far from the code, at random and in code values, each gradient is taken, for models whose gradient
            turns from one value to the next.
        generator: Of the random starts and the spread, on the code's device.

    Returns:
        Codes of the same shape and dtype, each within the budget.

    Raises:
        ValueError: If code, range or steps do not fit, or no gradient reaches the input.

    Source:
        Madry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018, section 2.1; momentum:
        Dong et al., Boosting adversarial attacks with momentum, CVPR 2018, algorithm 1; draws: Athalye et al.,
        Synthesizing robust adversarial examples, ICML 2018, section 2.1.
    """
    check_code(code, low, high, fixed)
    if not steps or restarts < 1:
        raise InputError(f"an attack needs one step or more, and one restart or more; got {steps=}, {restarts=}")
    if draws < 1 or spread < 0:
        raise InputError(
            f"gradients are averaged over 1 draw or more, of a spread of 0 or more; got {draws=}, {spread=}"
        )
    if not 0 <= momentum <= 1:
        raise InputError(f"momentum is a share of the direction before, 0 to 1; got {momentum}")
    least, most = within_reach(code, budget, low, high, fixed)
    best, done = code.clone(), torch.zeros(len(code), dtype=torch.bool, device=code.device)
    for _ in range(restarts):
        left = torch.nonzero(~done).squeeze(1)
        if not len(left):
            break
        clean, wanted, low_, high_ = code[left], target[left], least[left], most[left]
        current = _uniform(low_, high_, generator).to(code.dtype) if random_start else clean
        if within is not None:
            current = torch.where(columns(within(clean, current), current), current, clean)
        kept, direction = Kept(current), torch.zeros(clean.shape, device=code.device)
        for size in steps:
            logits, losses, gradient = loss_and_slope(forward, current, wanted, loss)
            if draws > 1 or spread:
                near = within_reach(current, spread, low, high, fixed)
                gradient = _mean_slope(forward, near, code.dtype, wanted, loss, draws, generator)
            kept.offer(current, logits, losses, wanted, targeted)
            gradient = -gradient if targeted else gradient
            if fixed is not None:
                gradient = gradient.masked_fill(fixed(clean), 0)
            direction = momentum * direction + _unit(gradient) if momentum else gradient
            moved = quantized_gradient_step(current, direction, size, low_, high_, bits, k)
            current = moved if within is None else _undo(clean, moved, gradient, within, cost)
        kept.offer(current, *judged(forward, current.float(), wanted, loss), wanted, targeted)
        best[left], done[left] = kept.code, kept.success
    return best


def worst_case(
    forward: Callable[[Tensor], Tensor],
    code: Tensor,
    target: Tensor,
    attacks: Sequence[Callable[[Tensor, Tensor], Tensor]],
) -> Tensor:
    """One attack after another, each on the examples that the model still gets right: ``(N, C, *grid)`` codes.

    Args:
        forward: Codes to logits; the judge, which needs no gradient.
        code: ``(N, C, *grid)``.
        target: ``(N,)``, the true classes.
        attacks: Each maps codes and targets to adversarial codes.

    Returns:
        For each example the first adversarial code that fools the model; the code itself if none does.
    """
    worst = code.clone()
    with torch.no_grad():
        right = forward(code).argmax(1) == target
    for attack in attacks:
        left = torch.nonzero(right).squeeze(1)
        if not len(left):
            break
        candidate = attack(code[left], target[left])
        with torch.no_grad():
            fooled = forward(candidate).argmax(1) != target[left]
        worst[left[fooled]], right[left[fooled]] = candidate[fooled], False
    return worst


def signal_budget(decode: Callable[[Tensor], Tensor], budget: float) -> Callable[[Tensor, Tensor], Tensor]:
    """A budget in signal values, such as pixels, for `projected_attack`.

    Args:
        decode: Codes ``(N, C, *grid)`` to signals ``(N, *signal)``; it needs no gradient.
        budget: Greatest change of a sample of the signal.

    Returns:
        Whether the signal of each moved code is within the budget of the clean code's, ``(N,)``.
    """
    return lambda clean, moved: (decode(moved).double() - decode(clean).double()).flatten(1).abs().amax(1) <= budget


def loss_and_slope(
    forward: Callable[[Tensor], Tensor], code: Tensor, target: Tensor, loss: Loss
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, loss of each example, and the gradient of the losses with respect to the code's values."""
    values = code.detach().float().requires_grad_()
    result: list[Tensor] = []

    def run() -> Tensor:
        logits = forward(values)
        result[:] = [logits.detach(), loss(logits, target)]
        return result[1].sum()

    found = gradients(run, lambda: [values])
    if found is None or found[0] is None:
        raise InputError(
            "no gradient reaches the input: pass a forward that is differentiable in the code's values, "
            "as `through_stem` makes of a model that reads integers"
        )
    return result[0], result[1].detach(), found[0]


def _mean_slope(
    forward: Callable[[Tensor], Tensor],
    near: tuple[Tensor, Tensor],
    dtype: torch.dtype,
    target: Tensor,
    loss: Loss,
    draws: int,
    generator: Generator | None,
) -> Tensor:
    """The mean gradient at random codes between two."""
    total = torch.zeros(near[0].shape, device=target.device)
    for _ in range(draws):
        total += loss_and_slope(forward, _uniform(*near, generator).to(dtype), target, loss)[2]
    return total / draws


def _unit(gradient: Tensor) -> Tensor:
    """Each example's gradient over its mean magnitude."""
    size = gradient.flatten(1).abs().mean(1).clamp(min=torch.finfo(gradient.dtype).tiny)
    return gradient / columns(size, gradient)


def _undo(
    clean: Tensor,
    moved: Tensor,
    gradient: Tensor,
    within: Callable[[Tensor, Tensor], Tensor],
    cost: Tensor | None,
) -> Tensor:
    """As many moves of greatest first-order gain as the further budget allows, found by bisection."""
    move = moved.to(torch.int64) - clean
    gain = gradient * move if cost is None else gradient * move / (cost * move.square()).clamp(min=1e-12)
    rank = gain.flatten(1).argsort(1, descending=True).argsort(1).view_as(clean)
    kept = clean
    fewest = torch.zeros(len(clean), dtype=torch.int64, device=clean.device)
    most = torch.full_like(fewest, prod(clean.shape[1:]) + 1)
    while bool((most - fewest > 1).any()):
        count = (fewest + most) // 2
        candidate = torch.where(rank < columns(count, rank), moved, clean)
        fits = within(clean, candidate)
        kept = torch.where(columns(fits & (count > fewest), clean), candidate, kept)
        fewest, most = torch.where(fits, count, fewest), torch.where(fits, most, count)
    return kept


def within_reach(
    code: Tensor, budget: Bound, low: Bound, high: Bound, fixed: Fixed | None = None
) -> tuple[Tensor, Tensor]:
    """Least and greatest value that each entry of a code may take under a budget: int64, of the code's shape.

    Raises:
        ValueError: If the budget is negative.
    """
    reach, values = per_channel(budget, code), code.to(torch.int64)
    if (reach < 0).any():
        raise InputError(f"a budget is a whole number of code values, at least 0; got {budget}")
    least = torch.maximum(values - reach, per_channel(low, code))
    most = torch.minimum(values + reach, per_channel(high, code))
    if fixed is None:
        return least, most
    stays = fixed(code)
    return torch.where(stays, values, least), torch.where(stays, values, most)


def _uniform(low: Tensor, high: Tensor, generator: Generator | None) -> Tensor:
    """Random integers, each from low to high, inclusive."""
    fraction = torch.rand(low.shape, dtype=torch.float64, device=low.device, generator=generator)
    return low + (fraction * (high - low + 1)).long()
