"""Whether the attack that finds least budgets can be trusted: others of the same budget, black boxes among them."""

import statistics

import torch
from torch import Generator, Tensor, nn

from experiments.attack.measures import Columns
from experiments.attack.routes import Medium, Route
from lossy_lightning.attacks import (
    Attack,
    Attacks,
    Loss,
    at_temperature,
    compare_attacks,
    cross_entropy,
    margin,
    ordinal_attacks,
    substitution_attack,
    uphill,
)

STUDENT_QUERIES, QUERIES = 5000, 300
CANDIDATES = 8


def self_check(
    medium: Medium, nets: dict[str, nn.Module], signal: Tensor, target: Tensor, columns: dict[str, Columns], seed: int
) -> dict[str, dict[str, float]]:
    """Accuracy under the attack and under the strongest check, at the median of the least budgets of each route.

    The masking index is how much lower other attacks get than the gradient through the files' surrogate does.
    """
    found = {}
    for name, net in nets.items():
        for route in medium.routes(name == "samples", net, signal):
            key, measure = f"{name}: {route.name}", "greatest" if route.stem is None else "number"
            column = columns.get(f"{key}: {measure}")
            if column is not None:
                budget = just_below(column)
                found[key] = {"budget": budget, **_checked(route, net, budget, target, seed)}
    return found


def just_below(column: Columns) -> int:
    """The median of the least budgets less one, at least 1."""
    least = [float(number) for number in column["size"].split() if float(number) > 0]
    return max(1, int(statistics.median(least)) - 1) if least else 1


def _checked(route: Route, net: nn.Module, budget: int, target: Tensor, seed: int) -> dict[str, float]:
    """What attacks of one budget leave; categories have no slope that could be uphill."""

    def forward(code: Tensor) -> Tensor:
        return route.forward(code.float())

    if route.stem is None:
        few = route.queries
        attacks = ordinal_attacks(
            forward, net, route.clean, budget, route.low, route.high, queries=few or QUERIES,
            student_queries=STUDENT_QUERIES if few is None else 0, fixed=route.fixed, seed=seed,
        )  # fmt: skip
    else:
        attacks = replacing_attacks(route, budget, seed)
    torch.manual_seed(seed)
    told = compare_attacks(forward, route.clean, target, attacks)
    found = {
        "accuracy": told.accuracy,
        "strongest": told.strongest_accuracy,
        "masking_index": told.masking_index,
    }
    if route.stem is None:
        found["uphill"] = uphill(
            forward, attacks.own, route.clean, target, 1, route.low, route.high, loss=margin, fixed=route.fixed
        )
    return found


def replacing_attacks(route: Route, budget: int, seed: int) -> Attacks:
    """Of categories: the stem's first-order choice, and against it other temperatures, more trials, and a black box."""

    def chosen(loss: Loss, candidates: int) -> Attack:
        stem = route.stem
        assert stem is not None
        return lambda code, target: substitution_attack(
            route.forward, stem, code, target, budget, route.low, route.high, candidates=candidates, loss=loss
        )

    own = chosen(margin, CANDIDATES)
    others = [chosen(at_temperature(cross_entropy, temperature), CANDIDATES) for temperature in (0.1, 1.0, 10.0)]
    return Attacks(own, own, (*others, chosen(margin, 4 * CANDIDATES), guessing(route, budget, seed)))


def guessing(route: Route, budget: int, seed: int) -> Attack:
    """A black box: values replaced at random, one after another, by the answer alone the best of many guesses."""
    low, high = route.low, route.high
    assert isinstance(low, int)
    assert isinstance(high, int)

    @torch.no_grad()
    def attack(code: Tensor, target: Tensor) -> Tensor:
        generator = Generator().manual_seed(seed)
        moved, best = code.clone(), margin(route.forward(code.float()), target)
        for _ in range(budget):
            base = moved.clone()
            for _ in range(QUERIES):
                place = torch.randint(code[0].numel(), (len(code), 1), generator=generator)
                value = torch.randint(low, high + 1, place.shape, generator=generator)
                tried = base.flatten(1).scatter(1, place, value.to(code.dtype)).view_as(code)
                reached = margin(route.forward(tried.float()), target)
                better = reached > best
                moved[better], best[better] = tried[better], reached[better]
        return moved

    return attack
