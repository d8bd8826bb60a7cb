"""Whether an attack's result can be trusted: the same budget by gradients, and by means that masking cannot mislead."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from lossy_lightning.attacks.distillation import distilled_attack
from lossy_lightning.attacks.fixed import Fixed
from lossy_lightning.attacks.gradient_step import Bound
from lossy_lightning.attacks.losses import Loss, at_temperature, cross_entropy, margin
from lossy_lightning.attacks.projected import projected_attack
from lossy_lightning.attacks.square import square_attack
from lossy_lightning.attacks.substitution import substitution_attack
from lossy_lightning.attacks.surrogates import Forward, NoGradientError, differentiable, find_stem
from lossy_lightning.core import InputError

Attack = Callable[[Tensor, Tensor], Tensor]
"""Codes and targets to adversarial codes."""


class Attacks(NamedTuple):
    """Attacks of one budget on one model.

    Attributes:
        naive: By the model's own gradient, dead or alive.
        adaptive: By gradients that are alive; the same object if the model's own are.
        checks: Others that may find what gradients miss, from the cheapest to the dearest: at other temperatures, by
            averaged gradients, from a twin, from a student of the model, by squares.
        own: The forward with the model's own gradient, None if none flows.
    """

    naive: Attack
    adaptive: Attack
    checks: tuple[Attack, ...]
    own: Forward | None = None


def ordinal_attacks(
    forward: Forward,
    model: nn.Module,
    code: Tensor,
    budget: int,
    low: Bound,
    high: Bound,
    *,
    iterations: int = 10,
    loss: Loss = cross_entropy,
    then: Loss | None = margin,
    temperatures: Sequence[float] = (0.1, 10.0),
    draws: int = 8,
    queries: int = 1000,
    student_queries: int = 20_000,
    twin: tuple[nn.Module, Forward] | None = None,
    fixed: Fixed | None = None,
    seed: int = 0,
) -> Attacks:
    """Attacks that change each value by at most ``budget``.

    Args:
        forward: Codes ``(N, C, *grid)`` to logits ``(N, K)``, through the model.
        model: The model, whose stem is looked for.
        code: ``(N, C, *grid)``, integer; examples of what will be attacked.
        budget: Code values.
        low: Least code value.
        high: Greatest code value, inclusive.
        iterations: Of the gradient attacks, each step a quarter of the budget, at least 1.
        loss: Of each example, which the gradient attacks increase.
        then: What they increase next, on the examples that this does not fool; None: nothing.
        temperatures: Of the logits, each for a check against gradients that vanish in the softmax.
        draws: Gradients that a check averages, each at a code up to half the budget away; 0: no such check.
        queries: Of the square attack for each example; 0: none.
        student_queries: Of the attack on a student, in all; 0: none.
        twin: A model and its forward from which attacks are transferred.
        fixed: From codes to a mask of the values that stay, such as `fixed_values`; None: all may change.
        seed: Of the random numbers.

    Returns:
        The attacks. If no gradient flows, the naive and the adaptive one change nothing.
    """
    sizes = [max(1, round(budget / 4))] * iterations

    def projected(forward: Forward, loss: Loss, draws: int = 1, spread: int = 0) -> Attack:
        def attack(code: Tensor, target: Tensor) -> Tensor:
            return projected_attack(
                forward, code, target, budget, sizes, low, high, loss=loss, random_start=False, fixed=fixed,
                draws=draws, spread=spread, generator=Generator(code.device).manual_seed(seed),
            )  # fmt: skip

        return attack

    def attempts(gradient: Forward) -> Attack:
        first = projected(gradient, loss)
        return first if then is None else _in_turn(forward, first, projected(gradient, then))

    def asking(code: Tensor, target: Tensor) -> Tensor:
        """By the model's answers alone: through a student, and then by squares from where that ended."""
        start = None
        if student_queries:
            start = distilled_attack(
                forward, code, target, budget, low, high, queries=student_queries, fixed=fixed, seed=seed
            )
        if start is not None and (not queries or code.ndim < 3):
            return start
        generator = Generator(code.device).manual_seed(seed)
        return square_attack(
            forward, code, target, budget, low, high, queries=queries, fixed=fixed, start=start, generator=generator
        )

    checks: list[Attack] = []
    own: Forward | None = None
    naive: Attack = _unchanged
    adaptive: Attack = _unchanged
    with suppress(NoGradientError):
        own, alive = differentiable(forward, code, model, low, high, budget, fixed)
        adaptive = attempts(alive)
        naive = adaptive if own is alive else attempts(own)
        checks += [projected(alive, at_temperature(loss, temperature)) for temperature in temperatures]
        if draws:
            checks.append(projected(alive, margin, draws, max(1, budget // 2)))
    if twin is not None:
        checks.append(projected(differentiable(twin[1], code, twin[0], low, high, budget, fixed)[1], margin))
    if student_queries or (queries and code.ndim > 2):
        checks.append(asking)
    return Attacks(naive, adaptive, tuple(checks), own)


def categorical_attacks(
    forward: Forward,
    model: nn.Module,
    code: Tensor,
    substitutions: int,
    low: Bound,
    high: Bound,
    *,
    loss: Loss = cross_entropy,
    temperatures: Sequence[float] = (0.1, 10.0),
    twin: tuple[nn.Module, Forward] | None = None,
    fixed: Fixed | None = None,
) -> Attacks:
    """Attacks that replace at most so many categories; the naive one changes none, since they have no gradient.

    Args: As in `ordinal_attacks`.

    Raises:
        ValueError: If no module of the model reads the indices.
    """

    def replacing(model: nn.Module, forward: Forward, loss: Loss) -> Attack:
        stem = find_stem(forward, code[:1], model)
        if stem is None:
            raise InputError(
                "no gradient reaches the codebook indices, since no module of the model reads them; give the model a "
                "stem, such as Embed or LookupLinear"
            )
        return lambda code, target: substitution_attack(
            forward, stem, code, target, substitutions, low, high, fixed=fixed, loss=loss
        )

    checks = [replacing(model, forward, at_temperature(loss, temperature)) for temperature in temperatures]
    if twin is not None:
        checks.append(replacing(*twin, loss))
    return Attacks(_unchanged, replacing(model, forward, loss), tuple(checks))


def _unchanged(code: Tensor, target: Tensor) -> Tensor:
    return code


def _in_turn(forward: Forward, first: Attack, second: Attack) -> Attack:
    """One attack, and another on the examples that still hold."""

    def attack(code: Tensor, target: Tensor) -> Tensor:
        moved = first(code, target).clone()
        left = torch.nonzero(is_right(forward, moved, target)).squeeze(1)
        if len(left):
            again = second(code[left], target[left])
            fooled = ~is_right(forward, again, target[left])
            moved[left[fooled]] = again[fooled]
        return moved

    return attack


@torch.no_grad()
def is_right(forward: Forward, code: Tensor, target: Tensor) -> Tensor:
    """Whether a model gives each code its class, ``(N,)``."""
    return forward(code).argmax(1) == target
