"""Splits that keep what belongs together on one side: the clips of one speaker, of one recording."""

import zlib
from collections.abc import Iterable

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.data._splits import Split

FOLDS = 5
"""Of speakers, and of any other groups."""


def fold_of(group: str) -> int:
    """Number of the fold, of five, that a group belongs to: the same in any process and on any machine.

    Example:
        >>> fold_of("0132a06d")
        0
    """
    return zlib.crc32(group.encode()) % FOLDS


def choose_groups(groups: Iterable[str], fraction: float, seed: int) -> set[str]:
    """A seeded share of some groups: at least one unless the fraction is 0, and never all.

    Args:
        groups: Names; repeated ones count once.
        fraction: Share of the groups that is chosen.
        seed: Of the choice.

    Raises:
        MisconfigurationException: If there are fewer than two groups to choose from.
    """
    if not fraction:
        return set()
    names = sorted(set(groups))
    if len(names) < 2:
        raise MisconfigurationException(
            f"the groups {names} cannot be split in two; give more groups, or a fraction of 0"
        )
    count = min(max(1, round(fraction * len(names))), len(names) - 1)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    return {names[i] for i in order[:count]}


def assign_splits(groups: list[str], test: set[str], val_fraction: float, seed: int) -> list[Split]:
    """Split of each example: "test" if its group is in ``test``; "val" for a share of the other groups.

    Args:
        groups: Name of each example's group.
        test: Groups of the test split.
        val_fraction: Share of the remaining groups that is for validation.
        seed: Of the choice of these.

    Raises:
        MisconfigurationException: If too few groups remain.

    Example:
        >>> assign_splits(["anna", "ben", "cleo", "anna"], {"anna"}, 0.1, seed=0)
        ['test', 'val', 'train', 'test']
    """
    val = choose_groups((group for group in groups if group not in test), val_fraction, seed)
    return ["test" if group in test else "val" if group in val else "train" for group in groups]
