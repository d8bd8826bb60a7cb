"""The least budget at which an attack succeeds, example by example."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from lossy_lightning.core import InputError

BudgetedAttack = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Codes, targets and the budget of each example, int64 ``(N,)``, to adversarial codes."""

Succeeds = Callable[[Tensor, Tensor], Tensor]
"""Adversarial codes and targets to whether each counts as a success, ``(N,)``, such as after a file was written."""

Size = Callable[[Tensor, Tensor], Tensor]
"""Clean and moved codes to the size of each change in the unit of the budget, int64 ``(N,)``."""


class Least(NamedTuple):
    """The smallest successful changes that were found.

    Attributes:
        code: ``(N, C, *grid)``; the clean code if nothing succeeded.
        size: int64 ``(N,)``, of the change; -1 if nothing succeeded.
    """

    code: Tensor
    size: Tensor

    def offer(self, index: Tensor, moved: Tensor, success: Tensor, size: Tensor) -> "Least":
        """These changes, or others of the examples ``index`` that succeed and are smaller."""
        smaller = success & ((self.size[index] < 0) | (size < self.size[index]))
        code, sizes = self.code.clone(), self.size.clone()
        code[index[smaller]], sizes[index[smaller]] = moved[smaller], size[smaller]
        return Least(code, sizes)


def least_budget(
    attack: BudgetedAttack,
    code: Tensor,
    target: Tensor,
    succeeds: Succeeds,
    size: Size,
    most: int,
    *,
    known: Tensor | None = None,
    tolerance: float = 0.0,
) -> Least:
    """Bisection over whole budgets: first doubled until the attack succeeds, then halved between.

    All examples are attacked together, each with its own budget; `by_budget` makes that of an attack that takes one
    budget for all. A success counts with the size that its change has, which may be
    less than the budget. An attack need not succeed at each budget above its least, so what is found is an upper bound.

    Args:
        attack: Of any budgets from 1 to ``most``.
        code: ``(N, C, *grid)``, integer.
        target: ``(N,)``.
        succeeds: What counts as a success.
        size: Of a change.
        most: Greatest budget that is tried.
        known: Adversarial codes of the same shape found otherwise, such as by another attack; those that succeed are
            an upper bound from the start.
        tolerance: Which share of a budget need not be resolved; 0: to the last integer.

    Raises:
        ValueError: If ``most`` is less than 1, or the tolerance is negative.

    Example:
        >>> code, target = torch.zeros(2, 1, 3, dtype=torch.int64), torch.tensor([7, 16])
        >>> size = lambda clean, moved: (moved - clean).flatten(1).amax(1)
        >>> falls = lambda moved, target: moved.flatten(1).sum(1) > target
        >>> least_budget(lambda code, target, budget: code + budget.view(-1, 1, 1), code, target, falls, size, 99).size
        tensor([3, 6])
    """
    if most < 1 or tolerance < 0:
        raise InputError(f"budgets go up to 1 or more, with a tolerance of 0 or more; got {most=}, {tolerance=}")
    everything = torch.arange(len(code), device=code.device)
    least = Least(code.clone(), torch.full((len(code),), -1, dtype=torch.int64, device=code.device))
    if known is not None:
        least = least.offer(everything, known, succeeds(known, target), size(code, known))
    failed = torch.zeros_like(least.size)
    while True:
        found = least.size >= 0
        apart = torch.where(found, least.size - failed > 1 + tolerance * least.size, True)
        left = apart & (failed < most)
        if not bool(left.any()):
            return least
        doubled = (2 * failed).clamp(1, most)
        # From a bound that was known, doubling up is as good as halving, and small budgets are cheap to rule out.
        budgets = torch.where(found, torch.minimum((failed + least.size) // 2, doubled), doubled)
        index = torch.nonzero(left).squeeze(1)
        moved = attack(code[index], target[index], budgets[index])
        success = succeeds(moved, target[index])
        least = least.offer(index, moved, success, size(code[index], moved))
        # A change that is larger than its budget leaves the search no way down.
        stuck = ~success | (least.size[index] > budgets[index])
        failed[index[stuck]] = budgets[index[stuck]]


def lower_budget(
    attack: BudgetedAttack,
    code: Tensor,
    target: Tensor,
    succeeds: Succeeds,
    size: Size,
    least: Least,
    *,
    tolerance: float = 0.0,
) -> Least:
    """Another attack just below what was found, and lower, as long as it succeeds: a check for weak attacks.

    Args:
        attack: As in `least_budget`; a stronger one, or one of another kind.
        code: As in `least_budget`.
        target: As in `least_budget`.
        succeeds: As in `least_budget`.
        size: As in `least_budget`.
        least: What was found.
        tolerance: By which share the budget goes down each time, at least by 1.

    Raises:
        ValueError: If the tolerance is not from 0 to less than 1.
    """
    if not 0 <= tolerance < 1:
        raise InputError(f"a budget goes down by a share of 0 to less than 1; got {tolerance=}")
    left = least.size > 1
    while bool(left.any()):
        budgets = least.size - (tolerance * least.size).long().clamp(min=1)
        before = least.size
        index = torch.nonzero(left).squeeze(1)
        moved = attack(code[index], target[index], budgets[index])
        least = least.offer(index, moved, succeeds(moved, target[index]), size(code[index], moved))
        left &= (least.size < before) & (least.size > 1)
    return least


def by_budget(attack: Callable[[Tensor, Tensor, int], Tensor]) -> BudgetedAttack:
    """An attack of one budget as one of many: examples of equal budget go together.

    Args:
        attack: Codes, targets and one budget to adversarial codes.

    Example:
        >>> attack = by_budget(lambda code, target, budget: code + budget)
        >>> attack(torch.zeros(3, 1, dtype=torch.int64), torch.zeros(3), torch.tensor([2, 5, 2])).flatten()
        tensor([2, 5, 2])
    """

    def each(code: Tensor, target: Tensor, budgets: Tensor) -> Tensor:
        moved = code.clone()
        for budget in sorted({*budgets.tolist()}):
            index = torch.nonzero(budgets == budget).squeeze(1)
            moved[index] = attack(code[index], target[index], budget)
        return moved

    return each
