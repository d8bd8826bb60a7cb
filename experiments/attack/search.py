"""The least change that fools a network, by one route and measure after another."""

from collections.abc import Callable, Iterator

import torch
from torch import Generator, Tensor

from experiments.attack.routes import Route
from lossy_lightning.attacks import (
    BudgetedAttack,
    Least,
    Loss,
    Size,
    at_temperature,
    by_budget,
    cross_entropy,
    least_budget,
    lower_budget,
    margin,
    projected_attack,
    square_attack,
    substitution_attack,
    undo_needless,
)

ITERATIONS, MOMENTUM, QUERIES = 12, 0.75, 100
TOLERANCE = 0.05
"""Share of squared errors, numbers of values and changes of 16-bit samples that is left open; others are exact."""

MOST = {"greatest": 255, "number": 3072, "error": 2**20, "seen": 64}
LOUDEST = 2**13
"""As ``greatest``, of 16-bit samples."""


def greatest_change(clean: Tensor, moved: Tensor) -> Tensor:
    """Of a value, in its own steps: int64 ``(N,)``."""
    return (moved.to(torch.int64) - clean.to(torch.int64)).flatten(1).abs().amax(1)


def number_changed(clean: Tensor, moved: Tensor) -> Tensor:
    """How many values changed: int64 ``(N,)``."""
    return (moved != clean).flatten(1).sum(1)


def sizes(route: Route) -> dict[str, Size]:
    """Measures of a change by a route, each the unit of a budget."""
    found: dict[str, Size] = {"greatest": greatest_change, "number": number_changed}
    cost, decode = route.cost, route.decode
    if cost is not None and decode is not None:
        unit = cost / cost.min()  # of the cheapest step
        found["error"] = lambda clean, moved: ((moved.float() - clean).square() * unit).flatten(1).sum(1).ceil().long()
        held: list[Tensor] = []  # the clean codes asked about last, and their signals: bisection asks again and again

        def seen(clean: Tensor, moved: Tensor) -> Tensor:
            if not held or held[0] is not clean:
                held[:] = [clean, decode(clean)]
            return greatest_change(held[1], decode(moved))

        found["seen"] = seen
    return found


def replacing(route: Route, budget: int, strong: bool) -> Iterator[Callable[..., Tensor]]:
    """The same for categories: replaced one after another, by the module that reads them."""
    stem, losses = route.stem, [margin] if not strong else [at_temperature(cross_entropy, t) for t in (0.1, 1.0, 10.0)]
    assert stem is not None
    for loss in losses:
        yield lambda code, target, within, loss=loss: substitution_attack(
            route.forward, stem, code, target, budget, route.low, route.high, candidates=24 if strong else 8, loss=loss
        )


def tries(
    route: Route, reach: int, cost: Tensor | None, free: bool, seed: int, strong: bool
) -> Iterator[Callable[..., Tensor]]:
    """Attacks of one reach, within a further budget or free of any, the likeliest to succeed first."""

    def projected(loss: Loss, start: bool, iterations: int = ITERATIONS, draws: int = 1) -> Callable[..., Tensor]:
        steps = [max(1, reach // 3)] * (iterations // 2) + [max(1, reach // 8)] * (iterations - iterations // 2)
        return lambda code, target, within: projected_attack(
            route.forward, code, target, reach, steps, route.low, route.high, loss=loss, momentum=MOMENTUM,
            random_start=start, draws=draws, spread=int(draws > 1), within=within, cost=cost,
            fixed=route.fixed, generator=Generator().manual_seed(seed),
        )  # fmt: skip

    if not strong:
        yield projected(margin, False)
        yield projected(cross_entropy, free)
        return
    yield projected(margin, free, 2 * ITERATIONS)
    yield from (projected(at_temperature(cross_entropy, temperature), False) for temperature in (0.1, 10.0))
    yield projected(margin, False, draws=2)
    if free:
        yield lambda code, target, within: square_attack(
            lambda moved: route.forward(moved.float()), code, target, reach, route.low, route.high,
            queries=route.queries or QUERIES, fixed=route.fixed,
            generator=Generator().manual_seed(seed),
        )  # fmt: skip


def attack_of(route: Route, measure: str, reach: int, seed: int, strong: bool = False) -> BudgetedAttack:
    """Attacks in turn, each on the examples that still hold; budgets of any measure."""
    size, cost = sizes(route)[measure], None if measure == "number" else route.cost

    def in_turn(code: Tensor, target: Tensor, budgets: Tensor, own: int) -> Tensor:
        moved, left, free = code.clone(), torch.arange(len(code)), measure == "greatest"
        every = tries(route, own, cost, free, seed, strong) if route.stem is None else replacing(route, own, strong)
        for one in every:
            part = budgets[left]
            within = None if free else (lambda clean, changed, part=part: size(clean, changed) <= part)
            moved[left] = one(code[left], target[left], within)
            left = left[~route.fooled(moved[left], target[left])]
            if not len(left):
                break
        return moved if free else undone(route, code, moved, target, trials=4)

    def of_one(code: Tensor, target: Tensor, budget: int) -> Tensor:
        return in_turn(code, target, torch.full((len(code),), budget), budget)

    if measure == "greatest" or route.stem is not None:
        return by_budget(of_one)
    return lambda code, target, budgets: in_turn(code, target, budgets, reach)


def undone(route: Route, code: Tensor, moved: Tensor, target: Tensor, trials: int = 48) -> Tensor:
    """Without the changes that are not needed, the dearest first."""
    change = (moved.float() - code).square()
    order = None if route.cost is None else -(change * route.cost)
    return undo_needless(route.fooled, code, moved, target, order, trials=trials)


def search(route: Route, target: Tensor, measures: list[str], known: Tensor | None, seed: int) -> dict[str, Least]:
    """The least change that succeeds through real files, by measure, and a stronger attack just below each.

    Args:
        route: Into a network.
        target: Classes ``(N,)``.
        measures: Names of `sizes`.
        known: Codes that may fool the network, found otherwise.
        seed: Of random starts.
    """
    found: dict[str, Least] = {}
    for measure in measures:
        size, fooled = sizes(route)[measure], route.fooled_by_files
        sound = route.name != "codes" and route.clean.dtype == torch.int16
        tolerance, most = (TOLERANCE if sound or measure == "error" else 0.0), LOUDEST if sound else MOST[measure]
        first = found.get("greatest")
        if measure == "number" and first is not None:
            found[measure] = _few(route, target, first, seed)
            continue
        attack = attack_of(route, measure, 2, seed)
        least = least_budget(attack, route.clean, target, fooled, size, most, known=known, tolerance=tolerance)
        strong = attack_of(route, measure, 2, seed, strong=True)
        found[measure] = lower_budget(strong, route.clean, target, fooled, size, least, tolerance=tolerance)
    return found


def _few(route: Route, target: Tensor, first: Least, seed: int) -> Least:
    """The fewest changed values, each by no more than the least greatest change of that example.

    Of samples, which are no codes, by undoing alone: there the greatest change is what is asked for.
    """
    size, fooled = sizes(route)["number"], route.fooled_by_files
    known = undone(route, route.clean, first.code, target)
    if route.undoing or route.name != "codes":
        found = (first.size >= 0) & fooled(known, target)
        none = Least(route.clean.clone(), torch.full_like(first.size, -1))
        return none.offer(torch.arange(len(target)), known, found, size(route.clean, known))
    code, sizes_ = first.code.clone(), torch.full_like(first.size, -1)
    for reach in first.size[first.size > 0].unique().tolist():
        index = torch.nonzero(first.size == reach).squeeze(1)
        part, wanted = route.clean[index], target[index]
        attack, strong = (attack_of(route, "number", reach, seed, strong) for strong in (False, True))
        most = min(MOST["number"], part[0].numel())
        least = least_budget(attack, part, wanted, fooled, size, most, known=known[index], tolerance=TOLERANCE)
        least = lower_budget(strong, part, wanted, fooled, size, least, tolerance=TOLERANCE)
        code[index], sizes_[index] = least.code, least.size
    return Least(code, sizes_)
