"""Whether the attack that finds least budgets can be trusted: others of the same budget, black boxes among them."""

import statistics
from typing import Any

import torch
from torch import Tensor, nn

from experiments.attack.measures import Columns
from experiments.attack.routes import Medium
from lossy_lightning.attacks import compare_attacks, margin, ordinal_attacks, uphill

STUDENT_QUERIES, QUERIES = 5000, 300


def self_check(
    medium: Medium, nets: dict[str, nn.Module], signal: Tensor, target: Tensor, columns: dict[str, Columns], seed: int
) -> dict[str, dict[str, float]]:
    """Accuracy under the attack and under the strongest check, at the median of the least budgets of each route.

    The masking index is how much lower other attacks get than the gradient through the files' surrogate does.
    """
    found = {}
    for name, net in nets.items():
        for route in medium.routes(name == "samples", net, signal):
            key = f"{name}: {route.name}"
            column = columns.get(f"{key}: greatest")
            if column is None:
                continue
            least = [float(number) for number in column["size"].split() if float(number) > 0]
            budget = max(1, int(statistics.median(least)) - 1) if least else 1

            def forward(code: Tensor, forward: Any = route.forward) -> Tensor:
                return forward(code.float())

            attacks = ordinal_attacks(
                forward, net, route.clean, budget, route.low, route.high, student_queries=STUDENT_QUERIES,
                queries=QUERIES, fixed=route.fixed, seed=seed,
            )  # fmt: skip
            torch.manual_seed(seed)
            told = compare_attacks(forward, route.clean, target, attacks)
            found[key] = {
                "budget": budget,
                "accuracy": told.accuracy,
                "strongest": told.strongest_accuracy,
                "masking_index": told.masking_index,
                "uphill": uphill(
                    forward, attacks.own, route.clean, target, 1, route.low, route.high, loss=margin, fixed=route.fixed
                ),
            }
    return found
