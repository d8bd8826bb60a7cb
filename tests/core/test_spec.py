"""Fields of a code: their layout, against an independent one in NumPy, and what is counted once, or not at all."""

import io
import itertools
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lossy_lightning.core import CodeSpec, Field


def field(name="a", channels=1, cells=(), **arguments):
    return Field(name, (0,) * channels, (15,) * channels, ordinal=True, cells=cells, **arguments)


MIXED = CodeSpec([field("luma", 3, (2, 1)), field("kind", 2, absent=-1), field("table", 3, constant=True)], (4, 5))


@st.composite
def specs(draw, axes=2):
    fields = []
    for i in range(draw(st.integers(1, 4))):
        constant = draw(st.booleans())
        cells = () if constant else tuple(draw(st.integers(1, 3)) for _ in range(axes))
        fields.append(field(f"f{i}", draw(st.integers(1, 3)), cells, constant=constant))
    return CodeSpec(fields, tuple(draw(st.integers(1, 3)) for _ in range(axes)))


def random_code(spec, batch=(2,), seed=0):
    code = torch.randint(0, 16, (*batch, *spec.shape), generator=torch.Generator().manual_seed(seed))
    for each in spec.fields:
        if each.constant:
            own = code[..., spec.channels(each.name), :, :]
            own[...] = own[..., :1, :1].clone()
    return code


def place_by_place(spec, code, name):
    """A field of one code ``(C, rows, columns)``, value by value, as the contract says it lies."""
    each, start = spec.field(name), spec.channels(name).start
    v, h = each.cells or (1, 1)
    channels, (rows, columns) = len(each.low), code.shape[1:]
    out = np.empty((channels, rows * v, columns * h), np.int64)
    for c, y, x in itertools.product(range(channels), range(rows * v), range(columns * h)):
        cell = (y % v) * h + x % h
        out[c, y, x] = code[start + cell * channels + c, y // v, x // h]
    return out[:, :1, :1] if each.constant else out


@given(specs())
def test_fields_are_split_place_by_place_and_joined_again(spec):
    code = random_code(spec)
    parts = spec.split(code)
    for name, part in parts.items():
        for one, whole in zip(part, code, strict=True):
            np.testing.assert_array_equal(one, place_by_place(spec, whole.numpy(), name))
    if not all(each.constant for each in spec.fields):
        assert torch.equal(spec.join(parts), code)


@given(specs(), st.sampled_from([(), (1,), (2, 3)]))
def test_leading_dimensions_are_a_batch(spec, batch):
    code = random_code(spec, batch)
    parts = spec.split(code)
    for name, part in spec.split(code.reshape(-1, *code.shape[len(batch) :])).items():
        assert torch.equal(parts[name].reshape(part.shape), part)


@pytest.mark.parametrize("axes", [0, 1, 3])
def test_any_number_of_axes(axes):
    cells = tuple(range(2, 2 + axes))
    spec = CodeSpec([field("a", 2, cells), field("b")], (3,) * axes)
    code = torch.arange(4 * np.prod(spec.shape)).view(4, *spec.shape)
    parts = spec.split(code)
    assert parts["a"].shape == (4, 2, *(3 * cell for cell in cells))
    assert torch.equal(spec.join(parts), code)


def test_a_grid_of_blocks_in_rows():
    spec = CodeSpec([field("luma", 1, (2, 2)), field("cb")], (1, 2))
    code = torch.arange(10).view(2, 5).T.reshape(5, 1, 2)
    assert spec.split(code)["luma"].tolist() == [[[0, 1, 5, 6], [2, 3, 7, 8]]]
    assert spec.split(code)["cb"].tolist() == [[[4, 9]]]


@pytest.mark.parametrize("cells", [(1, 1), (1, 2), (2, 2), (2, 1), (1, 4)])
def test_channels_come_in_the_order_of_jpegs_units(cells):
    """The blocks of luma row by row, then Cb, then Cr; 64 channels each."""
    v, h = cells
    blocks = [field("luma", 64, cells), field("cb", 64), field("cr", 64)]
    spec = CodeSpec(blocks, (2, 3))
    luma = torch.arange(64 * 2 * v * 3 * h).view(1, 64, 2 * v, 3 * h)
    chroma = [luma[..., :2, :3] + 1000, luma[..., :2, :3] + 2000]
    code = spec.join({"luma": luma, "cb": chroma[0], "cr": chroma[1]})
    assert code.shape == (1, 64 * (h * v + 2), 2, 3)
    for unit in range(h * v):
        block = luma[0, :, v + unit // h, 2 * h + unit % h]
        assert torch.equal(code[0, 64 * unit : 64 * (unit + 1), 1, 2], block)
    assert torch.equal(code[0, -64:, 1, 2], chroma[1][0, :, 1, 2])
    assert all(map(torch.equal, spec.split(code).values(), [luma, *chroma]))


def test_codes_that_are_channels_last_stay_so():
    code = torch.zeros(2, 4, 5, 11, dtype=torch.int16).movedim(-1, 1)
    parts = MIXED.split(code)
    assert parts["luma"].movedim(1, -1).is_contiguous()
    assert MIXED.join(parts).movedim(1, -1).is_contiguous()


def test_join_wants_each_field():
    with pytest.raises(ValueError, match=r"has the fields \['luma', 'kind', 'table'\]; got \['luma'\]"):
        MIXED.join({"luma": torch.zeros(3, 8, 5)})


def test_some_fields_are_a_code_of_their_own():
    code = random_code(MIXED)
    for names in (("luma",), ("kind", "table"), ("table", "luma"), ("luma", "kind", "table")):
        part = MIXED.narrow(code, *names)
        chosen = MIXED.select(*names)
        chosen.check(part)
        for name, values in chosen.split(part).items():
            assert torch.equal(values, MIXED.split(code)[name])
    assert MIXED.narrow(code, "luma", "kind").data_ptr() == code.data_ptr()
    with pytest.raises(ValueError, match=r"has the fields .*; got 'chroma'"):
        MIXED.select("chroma")


def test_steps_that_are_left_out_are_unknown():
    spec = CodeSpec([field("a", 3, steps_from="t"), field("t", 3, constant=True)], (2,))
    assert spec.select("a").fields[0].steps_from is None
    assert spec.select("a", "t") == spec


def test_constants_count_once_and_what_is_absent_not_at_all():
    assert MIXED.num_bits == 4 * (6 * 20 + 2 * 20 + 3)
    code = random_code(MIXED)
    assert MIXED.container_bits(code).tolist() == [MIXED.num_bits] * 2
    MIXED.narrow(code, "kind")[1, :, 1, 2:] = -1
    assert MIXED.container_bits(code).tolist() == [MIXED.num_bits, MIXED.num_bits - 4 * 6]


def test_padding_takes_no_bits():
    code = random_code(MIXED)
    MIXED.narrow(code, "kind")[1, 0, 0, 0] = -1
    small = CodeSpec(MIXED.fields, (2, 3))
    got = MIXED.container_bits(code, torch.tensor([[4, 5], [2, 3]]))
    assert got.tolist() == [MIXED.num_bits, small.num_bits - 4]


@pytest.mark.parametrize(("bit_rate", "bits"), [(3200, 3200), (9200, 9200)])
def test_a_second_of_a_residual_code(bit_rate, bits):
    stages = bit_rate // 200
    spec = CodeSpec([Field("stages", (0,) * 46, (15,) * 46, ordinal=False, absent=-1)], (50,))
    code = torch.full((46, 50), -1)
    code[:stages] = 3
    assert int(spec.container_bits(code)) == bits


def test_what_is_absent_is_known_but_no_level():
    spec = CodeSpec.uniform((2, 3), 0, 15, ordinal=False, absent=-1)
    assert (spec.levels, spec.bit_widths, spec.dtype) == ((16, 16), (4, 4), torch.int8)
    spec.check(torch.tensor([[-1, 0, 15], [3, -1, -1]]))
    with pytest.raises(ValueError, match=r"channel 1 of field 'code' ranges from 0 to 15; got -2 to 3"):
        spec.check(torch.tensor([[-1, 0, 15], [3, -1, -2]]))


def test_a_constant_field_is_held_to_it():
    code = random_code(MIXED)
    MIXED.check(code)
    code[0, -1, 3, 4] += 1
    with pytest.raises(ValueError, match=r"field 'table' is one value over the whole grid"):
        MIXED.check(code.clamp(0, 15))


def test_the_grid_of_a_field():
    size = torch.tensor([[4, 5], [1, 2]])
    assert MIXED.field_grid("luma", size).tolist() == [[8, 5], [2, 2]]
    assert MIXED.field_grid("kind", size).tolist() == size.tolist()
    assert MIXED.field_grid("table", size).tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": ()}, "needs low <= high for each of one or more channels"),
        ({"low": (0, 1)}, "needs low <= high for each"),
        ({"low": (16,)}, "needs low <= high for each"),
        ({"cells": (0, 1)}, "needs 1 or more cells"),
        ({"absent": 3}, "needs a value outside its range for absent; got absent=3"),
        ({"constant": True, "cells": (2, 2)}, "so it has no cells"),
    ],
)
def test_a_field_that_contradicts_itself_is_refused(change, message):
    arguments = {"name": "luma", "low": (0,), "high": (15,), "ordinal": True} | change
    with pytest.raises(ValueError, match=f"field 'luma'.*{message}"):
        Field(**arguments)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "one or more fields"),
        ([(0, 1)], "one or more fields"),
        ([field(), field()], "a name of its own"),
        ([field(cells=(2, 2))], "for a grid of 1 axes"),
        ([field(steps_from="t")], "takes its steps from 't'"),
        ([field(steps_from="t"), field("t", 2)], "a field of as many channels"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        CodeSpec(fields, (3,))


def test_lists_become_tuples_and_single_cells_none():
    assert Field("a", [0], [1], True, [1, 1]) == Field("a", (0,), (1,), True)
    assert CodeSpec([field()], [2]) == CodeSpec((field(),), (2,))


def test_a_union_widens_ranges_and_takes_over_what_is_absent():
    kind = Field("kind", (0,), (3,), False)
    one = CodeSpec([Field("a", (0, -1), (3, 4), True), kind], (2,))
    other = CodeSpec([Field("a", (-2, 0), (1, 9), True), kind._replace(absent=-1)], (2,))
    assert CodeSpec.union(one, other) == CodeSpec([Field("a", (-2, -1), (3, 9), True), kind._replace(absent=-1)], (2,))


@pytest.mark.parametrize(
    "change",
    [{"name": "b"}, {"ordinal": False}, {"cells": (2,)}, {"constant": True}, {"low": (0, 0), "high": (15, 15)}],
)
def test_a_union_of_fields_that_differ_is_refused(change):
    other = CodeSpec([field()._replace(**change)], (2,))
    with pytest.raises(ValueError, match="codes of one data set must agree in fields"):
        CodeSpec.union(CodeSpec([field()], (2,)), other)


def test_specs_survive_pickling_and_weights_only_checkpoints():
    assert pickle.loads(pickle.dumps(MIXED)) == MIXED
    buffer = io.BytesIO()
    torch.save({"spec": MIXED}, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=True)["spec"]
    assert loaded == MIXED
    assert isinstance(loaded, CodeSpec)
    assert isinstance(loaded.fields[0], Field)


def test_splitting_compiles_without_a_graph_break():
    def read(code):
        return sum(part.sum() for part in MIXED.split(code).values()), MIXED.join(MIXED.split(code))

    code = random_code(MIXED)
    compiled = torch.compile(read, backend="eager", fullgraph=True)
    for got, want in zip(compiled(code), read(code), strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": ("0",)}, "field 'a' needs whole numbers"),
        ({"low": (0.5,)}, "field 'a' needs whole numbers"),
        ({"low": 0}, "field 'a' needs whole numbers"),
        ({"absent": -0.5}, "field 'a' needs whole numbers"),
        ({"name": ""}, "a field has a name"),
        ({"name": None}, "a field has a name"),
        ({"steps_from": "a"}, "no steps of its own"),
    ],
)
def test_what_is_no_number_or_name_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Field(**({"name": "a", "low": (0,), "high": (3,), "ordinal": True} | change))


@pytest.mark.parametrize("grid", [(-2, 3), "ab", (1.5,)])
def test_sizes_of_a_grid_are_whole_numbers(grid):
    with pytest.raises(ValueError, match="a grid has a size along each axis, 0 or more"):
        CodeSpec([field()], grid)


def test_codes_of_other_channels_are_neither_split_nor_counted():
    code = random_code(MIXED)
    for wrong in (code[:, :5], torch.cat([code, code], 1), code[0, 0]):
        for read in (MIXED.split, MIXED.container_bits, lambda wrong: MIXED.narrow(wrong, "kind")):
            with pytest.raises(ValueError, match=r"codes of shape \(\.\.\., 11, any, any\) are expected here"):
                read(wrong)


@pytest.mark.parametrize(
    "change",
    [
        lambda part: part[:1],
        lambda part: part[..., :1],
        lambda part: part[:, :1],
        lambda part: part[..., :1, :],
        lambda part: part[0],
    ],
)
@pytest.mark.parametrize("name", ["luma", "kind"])
def test_parts_that_do_not_go_together_are_not_joined(name, change):
    parts = MIXED.split(random_code(MIXED))
    with pytest.raises(ValueError, match=r"beside the others, field '\w+' has the shape"):
        MIXED.join(parts | {name: change(parts[name])})


def test_a_spec_prints_short_and_makes_itself_again():
    spec = CodeSpec([Field("luma", (-5,) * 64, (5,) * 64, True, (2, 2)), field("b", absent=-1)], (3, None))
    assert len(repr(spec)) < 200
    assert eval(repr(spec)) == spec


def test_a_union_of_nothing_and_values_beyond_64_bits_are_refused():
    with pytest.raises(ValueError, match="one or more specs"):
        CodeSpec.union()
    with pytest.raises(ValueError, match="integers of 64 bits"):
        _ = CodeSpec.uniform((1, 2), 0, 2**70, ordinal=True).dtype
