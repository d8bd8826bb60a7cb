"""Whether an attack's result can be trusted: the same budget by gradients, and by means that masking cannot mislead."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from lossy_lightning.attacks.fixed import Fixed
from lossy_lightning.attacks.gradient_step import Bound
from lossy_lightning.attacks.losses import Loss, at_temperature, cross_entropy
from lossy_lightning.attacks.projected import projected_attack, worst_case
from lossy_lightning.attacks.square import square_attack
from lossy_lightning.attacks.substitution import substitution_attack
from lossy_lightning.attacks.surrogates import Forward, differentiable, find_stem
from lossy_lightning.core import InputError

Attack = Callable[[Tensor, Tensor], Tensor]
"""Codes and targets to adversarial codes."""


class Attacks(NamedTuple):
    """Attacks of one budget on one model.

    Attributes:
        naive: By the model's own gradient, dead or alive.
        adaptive: By gradients that are alive; the same object if the model's own are.
        checks: Others that may find what gradients miss: at other temperatures, black-box, from a twin.
    """

    naive: Attack
    adaptive: Attack
    checks: tuple[Attack, ...]


class Comparison(NamedTuple):
    """Results of the attacks of one budget on a batch.

    Attributes:
        code: Of the adaptive attack, ``(N, C, *grid)``.
        accuracy: Accuracy under it.
        naive_accuracy: Accuracy under the naive attack.
        strongest_accuracy: The same if an example counts as wrong as soon as one attack fools the model on it.
    """

    code: Tensor
    accuracy: float
    naive_accuracy: float
    strongest_accuracy: float

    @property
    def masking_index(self) -> float:
        """Naive less strongest accuracy: the robustness that the model's own gradient only feigns."""
        return self.naive_accuracy - self.strongest_accuracy


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
    temperatures: Sequence[float] = (0.1, 10.0),
    queries: int = 50,
    twin: tuple[nn.Module, Forward] | None = None,
    fixed: Fixed | None = None,
    seed: int = 0,
) -> Attacks:
    """Attacks that change each value by at most ``budget``.

    Args:
        forward: Codes ``(N, C, *grid)`` to logits ``(N, K)``, through the model.
        model: The model, whose stem is looked for.
        code: ``(N, C, *grid)``, integer; an example of what will be attacked.
        budget: Code values.
        low: Least code value.
        high: Greatest code value, inclusive.
        iterations: Of the gradient attacks, each step a quarter of the budget, at least 1.
        loss: Of each example, which the gradient attacks increase.
        temperatures: Of the logits, each for a check against gradients that vanish in the softmax.
        queries: Forward passes of the square attack; 0: none.
        twin: A model and its forward from which attacks are transferred.
        fixed: From codes to a mask of the values that stay, such as `fixed_values`; None: all may change.
        seed: Of the square attack.

    Raises:
        ValueError: If no gradient reaches the input.
    """
    sizes = [max(1, round(budget / 4))] * iterations

    def projected(forward: Forward, loss: Loss) -> Attack:
        return lambda code, target: projected_attack(
            forward, code, target, budget, sizes, low, high, loss=loss, random_start=False, fixed=fixed
        )

    def square(code: Tensor, target: Tensor) -> Tensor:
        generator = Generator(code.device).manual_seed(seed)
        return square_attack(
            forward, code, target, budget, low, high, queries=queries, fixed=fixed, generator=generator
        )

    own, alive = differentiable(forward, code, model, low, high, budget, fixed)
    adaptive = projected(alive, loss)
    checks = [projected(alive, at_temperature(loss, temperature)) for temperature in temperatures]
    if queries and code.ndim > 2:
        checks.append(square)
    if twin is not None:
        checks.append(projected(differentiable(twin[1], code, twin[0], low, high, budget, fixed)[1], loss))
    return Attacks(adaptive if own is alive else projected(own, loss), adaptive, tuple(checks))


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
    return Attacks(lambda code, target: code, replacing(model, forward, loss), tuple(checks))


def compare_attacks(forward: Forward, code: Tensor, target: Tensor, attacks: Attacks) -> Comparison:
    """Accuracy of a model under each attack and under the strongest, example by example.

    The checks run only on examples that hold against the adaptive and the naive attack.

    Args:
        forward: Codes ``(N, C, *grid)`` to logits ``(N, K)``; the judge.
        code: ``(N, C, *grid)``, integer.
        target: ``(N,)``, the true classes.
        attacks: Of one budget.
    """
    moved = attacks.adaptive(code, target)
    right = is_right(forward, moved, target)
    same = attacks.naive is attacks.adaptive
    right_naive = right if same else is_right(forward, attacks.naive(code, target), target)
    held = torch.nonzero(right & right_naive).squeeze(1)
    if len(held):
        worst = worst_case(forward, code[held], target[held], attacks.checks)
        strongest = float(is_right(forward, worst, target[held]).sum()) / len(code)
    else:
        strongest = 0.0
    return Comparison(moved, float(right.float().mean()), float(right_naive.float().mean()), strongest)


@torch.no_grad()
def is_right(forward: Forward, code: Tensor, target: Tensor) -> Tensor:
    """Whether a model gives each code its class, ``(N,)``."""
    return forward(code).argmax(1) == target
