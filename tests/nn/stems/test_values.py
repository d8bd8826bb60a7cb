import copy
import io
import pickle
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from lossy_lightning.core import CodeSpec, Field, Stem
from lossy_lightning.nn import Bits, Embed, LearnedBits, LookupConv, LookupLinear, OneHot, Packed, Scale

UNEVEN = CodeSpec([Field("code", (-3, 0, 7), (4, 4, 8), ordinal=True)], (2, 4))
"""Channels of 8, 5 and 2 levels, one with negative values, one that starts above zero."""
EVEN = CodeSpec([Field("code", (-2, -2), (5, 5), ordinal=True)], (2, 4))

STEMS = {
    "Scale": Scale,
    "OneHot": OneHot,
    "Bits": Bits,
    "Gray": partial(Bits, gray=True),
    "Packed": partial(Packed, block=(2, 2)),
    "Embed": partial(Embed, dim=3),
    "LookupLinear": partial(LookupLinear, out_features=5),
}
every_stem = pytest.mark.parametrize("make", STEMS.values(), ids=STEMS)


def codes(spec, count=6, seed=0, dtype=None):
    generator = torch.Generator().manual_seed(seed)
    channels = [
        torch.randint(low, high + 1, (count, *spec.shape[1:]), generator=generator)
        for low, high in zip(spec.low, spec.high, strict=True)
    ]
    return torch.stack(channels, 1).to(dtype or spec.dtype)


@st.composite
def specs(draw):
    """Specs of one to three channels, each of its own range, on grids of no to two axes."""
    channels = draw(st.integers(1, 3))
    low = tuple(draw(st.lists(st.integers(-9, 9), min_size=channels, max_size=channels)))
    spans = draw(st.lists(st.integers(0, 20), min_size=channels, max_size=channels))
    grid = draw(st.lists(st.integers(1, 3), max_size=2))
    return CodeSpec([Field("code", low, tuple(map(sum, zip(low, spans, strict=True))), ordinal=True)], grid)


# What all stems have in common.


@every_stem
@pytest.mark.parametrize("spec", [UNEVEN, EVEN], ids=["uneven", "even"])
def test_features_have_the_shape_that_the_stem_says(make, spec):
    stem = make(spec)
    assert isinstance(stem, Stem)
    features = stem(codes(spec))
    assert features.shape == (6, *stem.shape)
    assert features.dtype is torch.float32


@every_stem
def test_the_integer_dtype_does_not_matter(make):
    stem = make(UNEVEN)
    for dtype in (torch.int16, torch.int64):
        assert torch.equal(stem(codes(UNEVEN, dtype=dtype)), stem(codes(UNEVEN)))


@every_stem
def test_unsigned_bytes_do_not_wrap_around(make):
    spec = CodeSpec.uniform((1, 4, 4), 0, 255, ordinal=True)
    stem, code = make(spec), codes(spec)
    assert code.dtype is torch.uint8
    assert torch.equal(stem(code), stem(code.long()))


@every_stem
def test_copies_and_pickles_give_the_same_features(make):
    stem = make(UNEVEN)
    want = stem(codes(UNEVEN))
    assert torch.equal(copy.deepcopy(stem)(codes(UNEVEN)), want)
    assert torch.equal(pickle.loads(pickle.dumps(stem))(codes(UNEVEN)), want)
    other, file = make(UNEVEN), io.BytesIO()
    torch.save(stem.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(codes(UNEVEN)), want)


@every_stem
def test_reduced_precision_keeps_features_and_gradients(make):
    stem = make(UNEVEN)
    with torch.autocast("cpu", torch.bfloat16):
        features = stem(codes(UNEVEN))
    torch.testing.assert_close(features.float(), stem(codes(UNEVEN)), rtol=1e-2, atol=1e-2)
    for parameter in stem.parameters():
        assert torch.autograd.grad(features.float().square().sum(), parameter)[0].abs().sum() > 0


@pytest.mark.parametrize("stem", [partial(Packed, block=(1, 1)), partial(LookupLinear, out_features=2)])
def test_codes_of_any_size_are_refused_with_advice(stem):
    with pytest.raises(ValueError, match=r"codes of one size; got shape \(1, None, 4\): crop or pad the signals"):
        stem(CodeSpec.uniform((1, None, 4), 0, 3, ordinal=True))


@pytest.mark.parametrize("stem", [Scale, OneHot, Bits, partial(Embed, dim=3)])
def test_codes_of_any_size_keep_their_size(stem):
    module = stem(CodeSpec.uniform((1, None, 4), 0, 3, ordinal=True))
    code = torch.randint(0, 4, (2, 1, 5, 4))
    assert module.shape[1:] == (None, 4)
    assert module(code).shape == (2, module.shape[0], 5, 4)
    torch.testing.assert_close(module(code[..., :2, :]), module(code)[..., :2, :])


@pytest.mark.parametrize("name", ["OneHot", "Embed", "LookupLinear"])
def test_tables_of_65536_rows_are_refused(name):
    samples = CodeSpec.uniform((1, 4, 4), -(2**15), 2**15 - 1, ordinal=True)
    with pytest.raises(ValueError, match=f"{name} of this code would have 65536 .*; use Scale or Bits instead"):
        STEMS[name](samples)
    assert Scale(samples)(codes(samples)).abs().max() <= 1
    assert Bits(samples).shape == (16, 4, 4)


# Fields, and values that are not there.


FIELDS = CodeSpec(
    [
        Field("gain", (-3,), (4,), True),
        Field("stages", (0, 0), (4, 4), False, absent=-1),
        Field("fine", (0,), (8,), True, cells=(2, 1)),
    ],
    (2, 4),
)
FIELD_STEMS = STEMS | {
    "LearnedBits": LearnedBits,
    "LookupConv": partial(LookupConv, kernel_size=2, stride=2, out_channels=3),
}


@pytest.mark.parametrize("make", FIELD_STEMS.values(), ids=FIELD_STEMS)
def test_a_stem_reads_the_fields_that_it_is_told(make):
    for names in (["stages"], ["fine"]) if make is LearnedBits else (["stages"], ["fine", "gain"], ["gain"]):
        code, part = codes(FIELDS), FIELDS.select(*names)
        torch.manual_seed(0)
        chosen = make(FIELDS, fields=names)
        torch.manual_seed(0)
        alone = make(part)
        assert chosen.shape == alone.shape
        assert torch.equal(chosen(code), alone(FIELDS.narrow(code, *names)))
    with pytest.raises(ValueError, match=r"fields \['gain', 'stages', 'fine'\]; got 'step'"):
        make(FIELDS, fields=["step"])


def some_absent():
    """Codes of two stages of five levels, some of them absent, and where they are."""
    spec = CodeSpec([Field("stages", (0, 0), (4, 4), False, absent=-1)], (2, 4))
    code = codes(spec)
    absent = torch.rand(code.shape, generator=torch.Generator().manual_seed(1)) < 0.3
    return spec, code.masked_fill(absent, -1), absent


@pytest.mark.parametrize("absent_value", [-1, 5, 99])
def test_nothing_is_hot_for_what_is_absent(absent_value):
    """Without care, an absent value of one channel lights the top level of the channel before."""
    spec, code, absent = some_absent()
    spec = CodeSpec([spec.fields[0]._replace(absent=absent_value)], spec.grid)
    got = OneHot(spec)(code.masked_fill(absent, absent_value))
    want = F.one_hot(code.long().clamp(min=0), 5).movedim(-1, 2) * ~absent.unsqueeze(2)
    assert torch.equal(got, want.flatten(1, 2).float())


@pytest.mark.parametrize("make", [Scale, OneHot, partial(Embed, dim=3), partial(Embed, dim=3, shared=True)])
def test_real_features_of_what_is_absent_are_zero(make):
    spec, code, absent = some_absent()
    present = CodeSpec([spec.fields[0]._replace(absent=None)], spec.grid)
    torch.manual_seed(0)
    got = make(spec)(code)
    torch.manual_seed(0)
    want = make(present)(code.clamp(min=0))
    rows = absent.repeat_interleave(got.shape[1] // 2, 1)
    assert torch.equal(got, want.masked_fill(rows, 0))


@pytest.mark.parametrize("make", [Bits, partial(Bits, gray=True), LearnedBits])
def test_bits_of_what_is_absent_are_told_from_others_by_a_plane_of_presence(make):
    spec, code, absent = some_absent()
    present = CodeSpec([spec.fields[0]._replace(absent=None)], spec.grid)
    torch.manual_seed(0)
    stem = make(spec)
    torch.manual_seed(0)
    want = make(present)(code.clamp(min=0))
    got = stem(code)
    assert got.shape[1:] == stem.shape == (2 * 3 + 2, 2, 4)
    assert torch.equal(got[:, :6], want.masked_fill(absent.repeat_interleave(3, 1), -1))
    assert torch.equal(got[:, 6:], 1 - 2 * absent.float())


def test_only_channels_that_may_be_absent_have_a_plane_of_presence():
    stem = Bits(FIELDS)
    assert stem.shape[0] == 3 + 2 * 3 + 2 * 4 + 2
    code = codes(FIELDS)
    code[:, 2] = -1
    assert (stem(code)[:, -2] == 1).all()
    assert (stem(code)[:, -1] == -1).all()


def test_a_block_of_which_a_value_is_absent_is_packed_to_zero():
    spec, code, absent = some_absent()
    got = Packed(spec, (1, 2))(code)
    blocks = absent.any(1).view(len(code), 2, 2, 2).any(-1)
    assert ((got[:, 0] == 0) == blocks).all()


def test_rows_of_what_is_absent_are_not_added():
    spec, code, _ = some_absent()
    stem = LookupLinear(spec, 5)
    one_hot = OneHot(spec)(code).movedim(1, -1).flatten(1)
    assert stem.table.weight.shape == (80, 5)
    torch.testing.assert_close(stem(code), one_hot @ stem.table.weight.view(2, 4, 10, 5).flatten(0, 2))
    whole = stem(code, torch.tensor([[2, 3]] * len(code)))
    cut = code.clone()
    cut[..., 3] = -1
    torch.testing.assert_close(whole[0], stem(cut))


# Scale.


@given(specs())
def test_scale_takes_each_range_to_minus_one_and_one(spec):
    column = (1, -1) + (1,) * (len(spec.shape) - 1)
    low, high = (torch.tensor(values).view(column).expand(1, *spec.shape) for values in (spec.low, spec.high))
    assert torch.equal(Scale(spec)(low), torch.full((1, *spec.shape), -1.0))
    torch.testing.assert_close(Scale(spec)(high), (high > low) * 2.0 - 1)  # a constant channel stays at -1


def test_scale_is_linear():
    features = Scale(CodeSpec.uniform((1, 4), -4, 12, ordinal=True))(torch.tensor([[[-4, 0, 4, 12]]]))
    assert features.flatten().tolist() == [-1, -0.5, 0, 1]


# OneHot.


@given(specs())
def test_one_hot_is_torchs_channel_by_channel(spec):
    code = codes(spec)
    want = [
        F.one_hot(code[:, i].long() - low, levels).movedim(-1, 1)
        for i, (low, levels) in enumerate(zip(spec.low, spec.levels, strict=True))
    ]
    assert torch.equal(OneHot(spec)(code), torch.cat(want, 1).float())


# Bits.


@given(specs(), st.booleans())
def test_bits_are_the_binary_label_of_code_minus_low(spec, gray):
    stem, code = Bits(spec, gray), codes(spec)
    assert stem.shape[0] == sum(spec.bit_widths)
    features = stem(code).flatten(2) if len(spec.shape) > 1 else stem(code).unsqueeze(2)
    code = code.flatten(2) if len(spec.shape) > 1 else code.unsqueeze(2)
    for n in range(len(code)):
        for place in range(code.shape[2]):
            label = ""
            for channel, (low, width) in enumerate(zip(spec.low, spec.bit_widths, strict=True)):
                number = int(code[n, channel, place]) - low
                number ^= number >> 1 if gray else 0
                label += f"{number:0{width}b}" if width else ""
            assert features[n, :, place].tolist() == [1.0 if bit == "1" else -1.0 for bit in label]


def test_gray_neighbours_differ_in_one_bit():
    spec = CodeSpec.uniform((1, 16), -8, 7, ordinal=True)
    labels = Bits(spec, gray=True)(torch.arange(-8, 8).view(1, 1, 16))
    assert labels.shape == (1, 4, 16)
    assert torch.equal((labels[..., 1:] != labels[..., :-1]).sum(1), torch.ones(1, 15, dtype=torch.int64))
    natural = Bits(spec)(torch.tensor([[[-1, 0] * 8]]))
    assert (natural[0, :, 0] != natural[0, :, 1]).all()


# Packed.


def test_packed_digits_by_hand():
    """Levels 4 and 3, blocks of two codes: the digits are a, a', b, b' with weights 4*9, 9, 3, 1."""
    spec = CodeSpec([Field("code", (0, -1), (3, 1), ordinal=False)], (2,))
    stem = Packed(spec, (2,))
    assert stem.shape == (1, 1)
    number = 3 * 36 + 2 * 9 + 0 * 3 + 2
    got = stem(torch.tensor([[[3, 2], [-1, 1]]]))
    torch.testing.assert_close(got, torch.tensor([[[2 * number / (16 * 9 - 1) - 1]]]))
    assert stem(torch.tensor([[[0, 0], [-1, -1]]])).item() == -1
    assert stem(torch.tensor([[[3, 3], [1, 1]]])).item() == 1


def test_packed_numbers_are_unique_evenly_spaced_and_in_order():
    spec = CodeSpec([Field("code", (0, -1), (3, 1), ordinal=False)], (2,))
    digits = torch.cartesian_prod(*(torch.arange(4),) * 2, *(torch.arange(-1, 2),) * 2).view(-1, 2, 2)
    numbers = Packed(spec, (2,))(digits).flatten()
    torch.testing.assert_close(numbers, torch.linspace(-1, 1, 144))
    assert (numbers.diff() > 0).all()


def test_packed_blocks_keep_their_places():
    spec = CodeSpec.uniform((1, 4, 6), 0, 1, ordinal=False)
    code = torch.zeros(1, 1, 4, 6, dtype=torch.uint8)
    code[0, 0, 3, 2] = 1
    features = Packed(spec, (2, 3))(code)
    assert features.shape == (1, 1, 2, 2)
    # The block at (1, 0) holds it at row 1, column 2: the last of its six bits.
    torch.testing.assert_close(features[0, 0], torch.tensor([[-1, -1], [2 / 63 - 1, -1]]))


@pytest.mark.parametrize("block", [(2,), (2, 3), (3, 2), (2, 2, 2), (0, 2), 2])
def test_packed_blocks_must_divide_the_grid(block):
    spec = CodeSpec.uniform((1, 4, 4), 0, 3, ordinal=True)
    with pytest.raises(ValueError, match=r"(that divides the code's grid \(4, 4\)|of at least 1); got ") as caught:
        Packed(spec, block)
    assert str(caught.value).endswith(repr(block))


def test_packed_numbers_fit_an_integer():
    spec = CodeSpec.uniform((1, 8, 8), 0, 1, ordinal=False)
    with pytest.raises(ValueError, match="at most 63 bits"):
        Packed(spec, (8, 8))
    ones = torch.ones(1, 1, 7, 9, dtype=torch.uint8)
    assert Packed(CodeSpec.uniform((1, 7, 9), 0, 1, ordinal=False), (7, 9 // 3))(ones).eq(1).all()


# Embed.


@given(specs())
def test_embed_reads_a_table_for_each_channel(spec):
    stem, code = Embed(spec, 3), codes(spec)
    tables = stem.table.weight.split(spec.levels)
    want = [
        table[code[:, i].long() - low].movedim(-1, 1)
        for i, (table, low) in enumerate(zip(tables, spec.low, strict=True))
    ]
    assert torch.equal(stem(code), torch.cat(want, 1))


def test_embed_can_share_its_table():
    stem, code = Embed(EVEN, 3, shared=True), codes(EVEN)
    assert stem.table.weight.shape == (8, 3)
    want = torch.cat([stem.table.weight[code[:, i].long() + 2].movedim(-1, 1) for i in range(2)], 1)
    assert torch.equal(stem(code), want)


def test_embed_shares_no_table_among_unequal_ranges():
    with pytest.raises(ValueError, match="needs channels of one range; use shared=False"):
        Embed(UNEVEN, 3, shared=True)


# LookupLinear.


@given(specs(), st.integers(1, 4))
def test_lookup_linear_is_one_hot_times_matrix(spec, out_features):
    stem, code = LookupLinear(spec, out_features), codes(spec)
    one_hot = OneHot(spec)(code)  # (N, rows, *grid); the table numbers places first or channels first
    places = one_hot[0, 0].numel()
    matrix = torch.empty(out_features, sum(spec.levels), places)
    table = stem.table.weight.detach()
    for place in range(places):
        matrix[:, :, place] = table[place * sum(spec.levels) : (place + 1) * sum(spec.levels)].T
    torch.testing.assert_close(stem(code), F.linear(one_hot.flatten(1), matrix.flatten(1)))


def test_lookup_linear_learns_as_the_matrix_does():
    spec = CodeSpec.uniform((1, 2, 2), 0, 3, ordinal=False)
    stem, code = LookupLinear(spec, 2), codes(spec)
    matrix = stem.table.weight.detach().view(4, 4, 2).permute(2, 1, 0).flatten(1).requires_grad_()
    stem(code).square().sum().backward()
    F.linear(OneHot(spec)(code).flatten(1), matrix).square().sum().backward()
    torch.testing.assert_close(stem.table.weight.grad.view(4, 4, 2).permute(2, 1, 0).flatten(1), matrix.grad)


def test_lookup_linear_counts_its_rows():
    stem = LookupLinear(CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False), 64)
    assert stem.table.weight.numel() * 4 == 196 * 1024


# Bits that a task learns.


def test_learned_bits_are_the_signs_of_a_table():
    stem = LearnedBits(EVEN)
    code = codes(EVEN)
    features = stem(code)
    assert features.shape == (6, 2 * 3, 2, 4)
    assert set(features.unique().tolist()) == {-1.0, 1.0}
    for channel in range(2):
        rows = stem.bits[channel][code[:, channel].long() + 2].movedim(-1, 1)
        assert torch.equal(features[:, 3 * channel : 3 * channel + 3], torch.where(rows >= 0, 1.0, -1.0))


def test_learned_bits_learn_the_bits_of_each_value():
    torch.manual_seed(0)
    spec = CodeSpec.uniform((1, 4), 0, 7, ordinal=False)
    stem, wanted = LearnedBits(spec), Bits(spec, gray=True)
    optimizer = torch.optim.Adam(stem.parameters(), 0.05)
    for seed in range(100):
        code = codes(spec, seed=seed)
        optimizer.zero_grad()
        F.mse_loss(stem(code), wanted(code)).backward()
        optimizer.step()
    stem.train()(codes(spec))
    assert stem.bits.abs().max() <= 1
    assert torch.equal(stem(codes(spec)), wanted(codes(spec)))


def test_learned_bits_of_uneven_channels_are_refused():
    with pytest.raises(ValueError, match="LearnedBits needs channels of one range"):
        LearnedBits(UNEVEN)
