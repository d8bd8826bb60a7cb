import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lossy_lightning.functional import to_bits, to_gray


@given(st.integers(1, 62).flatmap(lambda width: st.tuples(st.just(width), st.integers(0, 2**width - 1))))
def test_bits_are_pythons_own(case):
    width, number = case
    assert "".join(map(str, to_bits(torch.tensor(number), width).tolist())) == f"{number:0{width}b}"


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_bits_keep_shape_and_dtype(dtype):
    number = torch.arange(6, dtype=dtype).view(1, 2, 3)
    bits = to_bits(number, 3)
    assert bits.shape == (1, 2, 3, 3)
    assert bits.dtype is dtype
    assert torch.equal((bits * torch.tensor([4, 2, 1], dtype=dtype)).sum(-1), number.long())


def test_the_eighth_bit_of_a_byte():
    assert to_bits(torch.tensor(200, dtype=torch.uint8), 8).tolist() == [1, 1, 0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize("width", [1, 4, 10])
def test_gray_neighbours_differ_in_one_bit_and_no_label_comes_twice(width):
    labels = to_gray(torch.arange(2**width))
    assert sorted(labels.tolist()) == list(range(2**width))
    differences = to_bits(labels[1:] ^ labels[:-1], width).sum(-1)
    assert torch.equal(differences, torch.ones(2**width - 1, dtype=torch.int64))


def test_gray_labels_by_reflection():
    labels = ["0", "1"]
    for _ in range(5):
        labels = ["0" + label for label in labels] + ["1" + label for label in reversed(labels)]
    assert to_gray(torch.arange(64)).tolist() == [int(label, 2) for label in labels]
