"""A black-box attack through a small network that is trained to answer as the model does."""

from collections.abc import Callable, Iterator

import torch
from torch import Generator, Tensor

from lossy_lightning.attacks._student import Student
from lossy_lightning.attacks.fixed import Fixed
from lossy_lightning.attacks.gradient_step import Bound, check_code, per_channel
from lossy_lightning.attacks.losses import margin
from lossy_lightning.attacks.projected import projected_attack, within_reach
from lossy_lightning.core import InputError

_MAX_BYTES = 2**28
"""Memory for codes that were asked about; fewer queries are made of codes that do not fit."""

_ROUNDS = 4
_PER_EXAMPLE = 200
"""Queries that an example is worth."""

_PATCHES = (4, 8, 16, 2**31)
"""Random patterns have so many patches along each axis of the grid, or one a position."""

_ITERATIONS, _AT_ONCE = 12, 256

_MAX_AXES = 3


def distilled_attack(
    forward: Callable[[Tensor], Tensor],
    code: Tensor,
    target: Tensor,
    budget: Bound,
    low: Bound,
    high: Bound,
    *,
    queries: int = 20_000,
    fixed: Fixed | None = None,
    seed: int = 0,
) -> Tensor:
    """Attack a student of the model, and carry the result over.

    In each of four rounds the model is asked about codes around the examples that still hold: random ones, in fine and
    coarse patterns of up to twice the budget, and those that an attack on the student reached. The student, a small
    convolutional network, is trained on all answers so far. Only values of the model are used, so no gradient that is
    hidden, wrong or random misleads the attack; but a student that cannot learn the model finds nothing.

    Args:
        forward: Integer codes ``(N, C, *grid)`` to logits ``(N, K)``.
        code: ``(N, C, *grid)``, integer, of at most three axes of the grid.
        target: ``(N,)``, the true classes.
        budget: Greatest change of a value, in code values.
        low: Least code value.
        high: Greatest code value, inclusive.
        queries: Codes that the model is asked about, in all; at most 200 an example, and as many as fit 256 MiB.
        fixed: From codes to a mask of the values that stay, such as `fixed_values`; None: all may change.
        seed: Of the queries and of the student.

    Returns:
        Codes of the same shape and dtype, each within the budget.

    Raises:
        ValueError: If the code does not fit its range or has a grid of more axes, or there is no query.

    Source: Papernot et al., Practical black-box attacks against machine learning, ASIA CCS 2017, section 4.
    """
    check_code(code, low, high, fixed)
    if queries < 1 or code.ndim > 2 + _MAX_AXES:
        raise InputError(
            f"a student takes 1 query or more, and codes of up to {_MAX_AXES} axes; "
            f"got {queries=} and a code of shape {tuple(code.shape)}"
        )
    room = _MAX_BYTES // (code[0].numel() * code.element_size())
    model = _Model(forward, code, target, min(queries, room, _PER_EXAMPLE * len(code)))
    least, most = (bound.to(code.dtype) for bound in within_reach(code, budget, low, high, fixed))
    wide = [bound.to(code.dtype) for bound in within_reach(code, 2 * per_channel(budget, code), low, high, fixed)]
    generator = Generator().manual_seed(seed)

    def moves(student: Student) -> Iterator[tuple[Tensor, Tensor]]:
        """What attacks on the student reach, for examples that hold until then."""
        size = int((most - least).amax()) // 2 + 1
        for step, start in ((max(1, size // 4), False), (max(1, size // 2), True)):
            left = model.left()
            if len(left):
                moved = projected_attack(
                    student, code[left], target[left], budget, [step] * _ITERATIONS, low, high, loss=margin,
                    random_start=start, fixed=fixed, generator=Generator(code.device).manual_seed(seed),
                )  # fmt: skip
                yield left, moved

    model.ask(model.left(), code)
    student = Student(code, int((most - least).amax()) // 2, model.logits[0].shape[1], seed)
    share = (model.queries - len(code)) // _ROUNDS
    for turn in range(1, _ROUNDS + 1):
        # Each round ends by what the student, so far, has found.
        while model.asked() < turn * share - 2 * len(model.left()) and len(left := model.left()):
            some = left[torch.randperm(len(left), generator=generator)[:_AT_ONCE]]
            patches = _patchwork(code[some], model.best[some], wide[0][some], wide[1][some], generator)
            model.ask(some, patches, within=False)
        student.learn(*model.answers(), generator)
        for left, moved in moves(student):
            model.ask(left, moved)
    return model.best


class _Model:
    """A model that only answers, so many queries and no more; and the best code of each example so far."""

    def __init__(self, forward: Callable[[Tensor], Tensor], code: Tensor, target: Tensor, queries: int) -> None:
        self.forward, self.target, self.queries = forward, target, queries
        self.best, self.loss = code.clone(), torch.full((len(code),), -torch.inf, device=code.device)
        self.codes: list[Tensor] = []
        self.logits: list[Tensor] = []

    def asked(self) -> int:
        """Queries so far."""
        return sum(map(len, self.codes))

    def left(self) -> Tensor:
        """Indices of the examples that hold."""
        return torch.nonzero(self.loss <= 0).squeeze(1)

    @torch.no_grad()
    def ask(self, index: Tensor, code: Tensor, within: bool = True) -> None:
        """Ask about a code of each of some examples, as far as queries are left, and keep it if within the budget."""
        code, index = (tensor[: max(0, self.queries - self.asked())] for tensor in (code, index))
        if not len(code):
            return
        logits = self.forward(code).float().nan_to_num()
        loss = margin(logits, self.target[index])
        better = (loss > self.loss[index]) & within
        self.best[index[better]], self.loss[index[better]] = code[better], loss[better]
        self.codes.append(code)
        self.logits.append(logits)

    def answers(self) -> tuple[Tensor, Tensor]:
        """All codes so far, and their logits."""
        return torch.cat(self.codes), torch.cat(self.logits)


def _patchwork(code: Tensor, best: Tensor, least: Tensor, most: Tensor, generator: Generator) -> Tensor:
    """Random patches of the least and the greatest values, whole or strewn over the code or the best one."""

    def coins(channels: int, patches: int) -> Tensor:
        grid = [min(size, patches) for size in code.shape[2:]]
        coins = torch.rand(len(code), channels, *grid, generator=generator) < 0.5
        for axis, size in enumerate(code.shape[2:], start=2):
            coins = coins.index_select(axis, torch.arange(size) * coins.shape[axis] // size)
        return coins.to(code.device)

    def patches() -> int:
        return _PATCHES[int(torch.randint(len(_PATCHES), (), generator=generator))]

    centre = code if torch.rand((), generator=generator) < 0.5 else best
    bounds = torch.where(coins(code.shape[1], patches()), most, least)
    if torch.rand((), generator=generator) < 0.5:
        return bounds
    return torch.where(coins(1, patches()), bounds, centre)
