"""Splits by group."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.data._groups import assign_splits, choose_groups, fold_of

NAMES = st.lists(st.sampled_from("abcdefghijkl"), min_size=30)


@given(names=NAMES, seed=st.integers(0, 5), fraction=st.floats(0.01, 0.99))
def test_no_group_is_on_two_sides(names, seed, fraction):
    names += list("abcd")
    test = choose_groups(names, fraction / 2, seed)
    if len(set(names) - test) < 2:
        return
    splits = assign_splits(names, test, fraction, seed)
    sides = {part: {n for n, split in zip(names, splits, strict=True) if split == part} for part in set(splits)}
    assert set(sides) == {"train", "val", "test"}
    assert sum(map(len, sides.values())) == len(set(names))


def test_the_choice_does_not_depend_on_order_or_number():
    names = list("abcdefghij")
    assert choose_groups(names, 0.3, 0) == choose_groups(reversed(names * 3), 0.3, 0)
    assert len(choose_groups(names, 0.3, 0)) == 3
    assert len({frozenset(choose_groups(names, 0.3, seed)) for seed in range(5)}) > 1


def test_no_fraction_is_no_group():
    assert choose_groups(["a"], 0, 0) == set()
    assert assign_splits(["a", "b"], {"b"}, 0, 0) == ["train", "test"]


def test_a_group_cannot_be_split():
    with pytest.raises(MisconfigurationException, match=r"the groups \['a'\] cannot be split in two"):
        choose_groups(["a", "a"], 0.5, 0)


def test_folds_are_those_of_crc32():
    # binascii's documented polynomial, bit by bit
    def crc32(data):
        value = 0xFFFFFFFF
        for byte in data:
            value ^= byte
            for _ in range(8):
                value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
        return value ^ 0xFFFFFFFF

    for name in ("0132a06d", "f2e59fea", "anna"):
        assert fold_of(name) == crc32(name.encode()) % 5
