"""Changes of a loss through a stem, against replacing one value at a time."""

import sys

import pytest
import torch
from torch import nn

from lossy_lightning.attacks._first_order import Reads, first_order_change, what_it_reads
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.nn import Bits, Embed, LookupLinear, OneHot, Scale

SPEC = CodeSpec.uniform((3, 4, 4), 0, 15, ordinal=True)
UNEQUAL = CodeSpec([Field("code", (0, -1, 2), (15, 14, 4), ordinal=True)], (4, 4))


class Thermometer(nn.Module):
    """Thresholds one after another, so that a channel's features do not stand side by side."""

    def forward(self, code):
        return torch.cat([(code >= threshold).float() for threshold in (4, 8, 12)], 1)


ALONE = Reads(None, (0, 0))
"""A stem that reads single positions, all channels of them."""


class Mixing(nn.Module):
    """Features of two channels besides those of one."""

    def forward(self, code):
        values = code.float()
        return torch.cat([values, (values[:, :1] > values[:, 1:2]).float()], 1)


class Counted(nn.Module):
    def __init__(self, stem):
        super().__init__()
        self.stem = stem
        self.runs = 0

    def forward(self, code):
        self.runs += 1
        return self.stem(code)


def _codes(spec, count=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low, high = (torch.tensor(end).view(-1, 1, 1) for end in (spec.low, spec.high))
    return (low + torch.rand((count, *spec.shape), generator=generator) * (high - low + 1)).floor().to(torch.int16)


def _gradient(stem, code):
    return torch.randn(stem(code).shape, generator=torch.Generator().manual_seed(2)).double()


def _one_at_a_time(stem, code, other, feature_gradient):
    """Loops over every value."""
    out = torch.zeros(code.shape, dtype=torch.float64)
    for place in torch.cartesian_prod(*map(torch.arange, code.shape)):
        changed = code.clone()
        changed[tuple(place)] = other[tuple(place)]
        out[tuple(place)] = ((stem(changed) - stem(code)) * feature_gradient).sum()
    return out


STEMS = [Scale(SPEC), Thermometer(), OneHot(SPEC), Bits(SPEC), Bits(UNEQUAL), OneHot(UNEQUAL), Embed(SPEC, 3)]


@pytest.mark.parametrize("stem", STEMS)
def test_two_runs_do_where_each_feature_has_one_owner(stem):
    spec = UNEQUAL if stem in (STEMS[4], STEMS[5]) else SPEC
    code, other, stem = _codes(spec), _codes(spec, seed=1), Counted(stem)
    reads = what_it_reads(stem, code, spec.low, spec.high)
    gradient = _gradient(stem, code)
    stem.runs = 0
    got = first_order_change(stem, code, other, gradient, reads)
    assert stem.runs == 2
    assert torch.allclose(got, _one_at_a_time(stem, code, other, gradient), atol=1e-12)


def test_owners_are_the_channels_that_features_read():
    code = _codes(SPEC)
    assert what_it_reads(Thermometer(), code, 0, 15).owner.tolist() == [0, 1, 2] * 3
    assert what_it_reads(Bits(SPEC), code, 0, 15).owner.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    # Under a range of three values, the first two bits never change.
    assert what_it_reads(Bits(SPEC), code % 3, 0, 2).owner.tolist() == [-1, -1, 0, 0, -1, -1, 1, 1, -1, -1, 2, 2]


@pytest.mark.parametrize("stem", [Mixing(), LookupLinear(SPEC, 8)])
def test_a_stem_that_mixes_channels_has_none_and_is_run_for_each(stem):
    code, other, stem = _codes(SPEC), _codes(SPEC, seed=1), Counted(stem)
    reads = what_it_reads(stem, code, 0, 15)
    assert reads.owner is None
    gradient = _gradient(stem, code)
    stem.runs = 0
    got = first_order_change(stem, code, other, gradient, reads)
    assert stem.runs == 1 + (3 if isinstance(stem.stem, Mixing) else 3 * 4 * 4)
    assert torch.allclose(got, _one_at_a_time(stem, code, other, gradient), atol=1e-5)


def test_a_feature_that_changes_without_owner_falls_back_to_a_run_a_channel():
    code, other, stem = _codes(SPEC) % 3, _codes(SPEC, seed=1), Bits(SPEC)
    reads = what_it_reads(stem, code, 0, 2)
    gradient = _gradient(stem, code)
    got = first_order_change(stem, code, other, gradient, reads)
    assert (stem(code) != stem(other))[:, reads.owner < 0].any()
    assert torch.equal(got, first_order_change(stem, code, other, gradient, ALONE))


def test_a_code_without_grid_is_looked_at_a_channel_at_a_time():
    spec = CodeSpec.uniform((3,), 0, 15, ordinal=True)
    code = torch.tensor([[0, 7, 15], [3, 4, 9]])
    stem = Bits(spec)
    reads = what_it_reads(stem, code, 0, 15)
    gradient = _gradient(stem, code)
    expected = _one_at_a_time(stem, code, code.flip(1), gradient)
    assert torch.allclose(first_order_change(stem, code, code.flip(1), gradient, reads), expected, atol=1e-12)
    assert torch.allclose(first_order_change(stem, code, code.flip(1), gradient, Reads(None, ())), expected, atol=1e-12)


@pytest.mark.parametrize("owned", [False, True])
def test_a_batch_is_looked_at_in_parts(owned, monkeypatch):
    stem, code = Bits(SPEC), _codes(SPEC)
    reads = what_it_reads(stem, code, 0, 15) if owned else ALONE
    gradient = _gradient(stem, code)
    whole = first_order_change(stem, code, code.flip(0), gradient, reads)
    module = sys.modules[first_order_change.__module__]
    monkeypatch.setattr(module, "_FEATURES_AT_ONCE", 4 * 3 * 4 * 16)  # 4 of 6 examples
    assert torch.equal(first_order_change(stem, code, code.flip(0), gradient, reads), whole)
    assert torch.equal(first_order_change(stem, code, code.flip(0), gradient, reads, stem(code)), whole)


class Blurred(nn.Module):
    """Each feature reads its place, and others beside it: a convolution of one-hot values, or bits of pairs."""

    def __init__(self, kernel):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(5, 3 * 16, *kernel, generator=generator))

    def forward(self, code):
        hot = torch.nn.functional.one_hot(code.long(), 16).float().movedim(-1, 2).flatten(1, 2)
        return torch.nn.functional.conv2d(hot, self.weight, padding="same").tanh()


@pytest.mark.parametrize(("kernel", "reach"), [((1, 1), (0, 0)), ((3, 1), (1, 0)), ((1, 5), (0, 2)), ((7, 7), (3, 3))])
def test_what_a_stem_reads_beside_a_position_is_found_and_counted(kernel, reach):
    stem, code, other = Counted(Blurred(kernel)), _codes(SPEC), _codes(SPEC, seed=1)
    reads = what_it_reads(stem, code, 0, 15)
    assert reads.reach == reach
    gradient = _gradient(stem, code)
    stem.runs = 0
    got = first_order_change(stem, code, other, gradient, reads)
    apart = [min(2 * far + 1, 4) for far in reach]
    assert stem.runs == 1 + 3 * apart[0] * apart[1]
    assert torch.allclose(got, _one_at_a_time(stem, code, other, gradient), atol=1e-5)
