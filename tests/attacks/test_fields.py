"""Attacks on some fields of a code: the others, and what is absent, stay; features may be a dict by field."""

from functools import partial

import pytest
import torch
from torch import nn

from lossy_lightning.attacks import (
    categorical_attacks,
    compare_attacks,
    differentiable,
    find_stem,
    fixed_values,
    ordinal_attacks,
    projected_attack,
    square_attack,
    substitution_attack,
)
from lossy_lightning.attacks._features import packed
from lossy_lightning.attacks._first_order import Reads, first_order_change, what_it_reads
from lossy_lightning.codecs import JPEG
from lossy_lightning.core import CodeSpec, Field, Stem
from lossy_lightning.nn import Bits, Concat, Embed, FrequencyBatchNorm, LateConcat

SPEC = CodeSpec(
    [
        Field("luma", (0, 0), (255, 255), ordinal=True, cells=(2, 2)),
        Field("shape", (0, 0), (15, 15), ordinal=False, absent=-1),
        Field("table", (1,), (99,), ordinal=True, constant=True),
    ],
    (3, 4),
)


class Planes(Stem):
    """Bits of luma on their own fine grid, one-hot shapes on the code's: a dict, without a gradient."""

    def __init__(self):
        super().__init__(SPEC)
        self.shape = {"luma": (16, 6, 8), "shape": (32, 3, 4)}

    def forward(self, code, grid_size=None):
        parts = SPEC.split(code.long())
        bits = torch.cat([(parts["luma"] >> i & 1).float() for i in range(8)], 1)
        shapes = torch.stack([(parts["shape"] == level).float() for level in range(16)], 2).flatten(1, 2)
        return {"luma": 2 * bits - 1, "shape": shapes}


class Late(nn.Module):
    def __init__(self, stem):
        super().__init__()
        self.stem = stem
        self.luma, self.chroma = nn.Linear(16 * 48, 3), nn.Linear(32 * 12, 3)

    def forward(self, code):
        features = self.stem(code)
        return self.luma(features["luma"].flatten(1)) + 3 * self.chroma(features["shape"].flatten(1))


def codes(count=5):
    generator = torch.Generator().manual_seed(0)
    low, high = (torch.tensor(end).view(-1, 1, 1) for end in (SPEC.low, SPEC.high))
    code = (low + torch.rand((count, *SPEC.shape), generator=generator) * (high - low + 1)).floor().to(torch.int16)
    code[:, SPEC.channels("table")] = code[:, SPEC.channels("table")][..., :1, :1]
    code[1:3, SPEC.channels("shape").start] = -1
    SPEC.check(code)
    return code


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Late(Planes()).eval()


def test_features_of_all_fields_lie_on_the_grid_of_the_code(model):
    code = codes()
    features = packed(model.stem(code), code)
    assert features.shape == (5, 16 * 4 + 32, 3, 4)
    owner = what_it_reads(model.stem, code, SPEC.low, SPEC.high).owner
    assert owner is not None
    for channel in range(10):  # 8 bits a cell of luma, 16 levels of a shape
        assert int((owner == channel).sum()) == (8 if channel < 8 else 16)


def test_changes_through_a_dict_are_those_of_one_value_after_another(model):
    code, stem = codes(2), model.stem
    other = torch.where(code > 0, code - 1, code + 1)
    gradients = {name: torch.randn(part.shape).double() for name, part in stem(code).items()}
    for reads in (Reads(None, (0, 0)), what_it_reads(stem, code, SPEC.low, SPEC.high)):
        change = first_order_change(stem, code, other, packed(gradients, code), reads)
        for place in ((0, 0, 0, 0), (1, 5, 2, 3), (1, 8, 1, 1), (0, 9, 2, 0)):
            single = code.clone()
            single[place] = other[place]
            rise = sum(
                ((stem(single)[name] - stem(code)[name]) * gradient).sum() for name, gradient in gradients.items()
            )
            assert change[place].item() == pytest.approx(rise.item())


class Outer(Stem):
    """A stem of stems, each of which is called with the whole code."""

    shape = (4, 3, 4)

    def __init__(self):
        super().__init__(SPEC)
        self.parts = nn.ModuleList([nn.Embedding(300, 1), nn.Embedding(300, 1)])

    def forward(self, code, grid_size=None):
        return torch.cat([part(code.int().clamp(0))[..., 0] for part in self.parts], 1)


def test_the_outermost_stem_is_found():
    model = nn.Sequential(Outer(), nn.Flatten(), nn.Linear(22 * 12, 3))
    assert find_stem(model, codes(1), model) is model[0]


def test_other_fields_and_absent_values_stay(model):
    code, target = codes(), torch.zeros(5, dtype=torch.long)
    bounds = SPEC.low, SPEC.high
    luma, shape = fixed_values(SPEC, ["luma"]), fixed_values(SPEC, ["shape"])
    _, alive = differentiable(model, code, model, *bounds, 40, luma)
    steps = projected_attack(alive, code, target, 40, [10] * 4, *bounds, fixed=luma)
    squares = square_attack(model, code, target, 40, *bounds, queries=20, fixed=luma)
    replaced = substitution_attack(model, model.stem, code, target, 3, *bounds, fixed=shape)
    for moved, fixed in ((steps, luma), (squares, luma), (replaced, shape)):
        SPEC.check(moved)
        changed = moved != code
        assert bool(changed.any())
        assert not bool((changed & fixed(code)).any())
        assert torch.equal(moved == -1, code == -1)
    assert int((replaced != code).flatten(1).sum(1).max()) <= 3


def test_a_code_of_which_nothing_may_change_is_refused(model):
    with pytest.raises(ValueError, match="are fixed; name fields that may change"):
        substitution_attack(
            model, model.stem, codes(), torch.zeros(5).long(), 3, SPEC.low, SPEC.high, fixed=fixed_values(SPEC, [])
        )


@pytest.mark.parametrize("names", [["luma"], ["shape"]])
def test_both_kinds_of_fields_are_compared(model, names):
    code = codes(40)
    target = model(code).argmax(1)
    attacks, budget = (ordinal_attacks, 60) if names == ["luma"] else (categorical_attacks, 4)
    fixed = fixed_values(SPEC, names)
    compared = compare_attacks(
        model, code, target, attacks(model, model, code, budget, SPEC.low, SPEC.high, fixed=fixed)
    )
    assert compared.naive_accuracy == 1
    assert compared.strongest_accuracy <= compared.accuracy < 0.9
    assert torch.equal(compared.code.masked_fill(~fixed(code), 0), code.masked_fill(~fixed(code), 0))


def test_a_gradient_that_reaches_only_what_stays_is_dead():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Identity(), nn.Linear(24, 2)

        def forward(self, code):
            parts = spec.split(code.float())
            return self.head(torch.cat([parts["a"], (parts["b"] > 7).float()], 1).flatten(1))

    spec = CodeSpec([Field("a", (0,), (15,), ordinal=True), Field("b", (0,), (15,), ordinal=True)], (3, 4))
    model, code = Half(), torch.ones(2, 2, 3, 4, dtype=torch.uint8)
    differentiable(model, code, model, 0, 15, 2, fixed_values(spec, ["a"]))
    with pytest.raises(ValueError, match="no gradient reaches the input"):
        differentiable(model, code, model, 0, 15, 2, fixed_values(spec, ["b"]))


def test_a_concatenation_of_stems_is_attacked_by_either_kind():
    torch.manual_seed(0)
    spec = CodeSpec([Field("mean", (0,), (255,), ordinal=True), Field("shape", (0,), (15,), ordinal=False)], (4, 4))
    stem = Concat(spec, [partial(Bits, fields=["mean"]), partial(Embed, fields=["shape"], dim=4)])
    model = nn.Sequential(stem, nn.Flatten(), nn.Linear(12 * 16, 3))
    code = torch.cat([torch.randint(0, 256, (30, 1, 4, 4)), torch.randint(0, 16, (30, 1, 4, 4))], 1).to(torch.int16)
    assert find_stem(model, code, model) is stem
    target = model(code).argmax(1)
    for name, attacks, budget in (("mean", ordinal_attacks, 60), ("shape", categorical_attacks, 4)):
        fixed = fixed_values(spec, [name])
        compared = compare_attacks(
            model, code, target, attacks(model, model, code, budget, spec.low, spec.high, fixed=fixed)
        )
        assert compared.naive_accuracy == 1
        assert compared.accuracy < 0.7
        assert not bool(((compared.code != code) & fixed(code)).any())


def test_late_concatenation_is_attacked_by_its_own_gradient():
    torch.manual_seed(0)
    codec = JPEG(75, chroma_subsampling="4:2:0")
    spec = codec.spec((3, 32, 32))
    stem = FrequencyBatchNorm(spec, by_field=True)
    narrow = {"aware": (4, 8), "luma": (4, 8), "joint": (4, 8), "chroma": (4, 8), "widths": (4, 4, 4, 4)}
    model = nn.Sequential(stem, LateConcat(stem.shape, 3, **narrow)).eval()
    code = codec.encode(torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8))
    fixed = fixed_values(spec, ["luma"])
    naive, alive = differentiable(model, code, model, spec.low, spec.high, 8, fixed)
    assert naive is alive
    target = model(code).argmax(1)
    moved = projected_attack(alive, code, target, 8, [2] * 5, spec.low, spec.high, fixed=fixed)
    assert bool((moved != code).any())
    assert torch.equal(moved[:, 256:], code[:, 256:])
    fooled = model(moved).argmax(1) != target
    assert int(fooled.sum()) >= 4  # of six; the softmax of some is saturated
