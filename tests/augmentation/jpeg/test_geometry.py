"""Augmentations of JPEG codes, against the same done to pixels."""

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from scipy.fft import idctn

from lossy_lightning.augmentation import (
    Chain,
    CoefficientBrightness,
    CoefficientContrast,
    FrequencyDropout,
    MCUFlip,
    MCUShift,
    MCUTurn,
    MCUZoom,
)
from lossy_lightning.codecs import JPEG, PCM
from lossy_lightning.core import CodeSpec, Field, InputError
from lossy_lightning.functional import flip_blocks, inverse_jpeg_transform, transpose_blocks

FACTORS = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "4:4:0": (1, 2), "4:1:1": (4, 1)}
SQUARE = ["4:4:4", "4:2:0"]


def images(count=6, size=(32, 64), channels=3):
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (count, channels, size[0] // 4, size[1] // 4)).repeat(4, 2).repeat(4, 3)
    return torch.from_numpy((coarse * 0.7 + rng.integers(0, 77, (count, channels, *size))).astype(np.uint8))


def adapted(augmentation, codec):
    augmentation.adapt([codec], spec_of(codec), None)
    return augmentation


def spec_of(codec, channels=3):
    return codec.spec((channels, None, None))


def by_field(codec, code, change, *arguments):
    """A code whose fields of blocks are changed."""
    spec = spec_of(codec)
    parts = spec.split(code)
    return spec.join({n: p if spec.field(n).constant else change(p, *arguments) for n, p in parts.items()})


def flipped_code(codec, code, axis):
    return by_field(codec, code, flip_blocks, axis)


def blocks_of(codec, code):
    """Coefficients of each component, ``(N, rows, columns, 8, 8)``."""
    fields = [field for field in spec_of(codec).fields if not field.constant]
    return [spec_of(codec).split(code)[field.name].movedim(1, -1).unflatten(-1, (8, 8)) for field in fields]


def tables(codec):
    """Quantization tables of the components, ``(3, 8, 8)``."""
    return torch.stack(list(JPEG(codec.quality, dequantize=codec.dequantize).steps().values())).view(3, 8, 8)


def real_image(codec, code, subsampling):
    """Decoded in floating point: neither rounded nor clipped."""
    h, v = FACTORS[subsampling]
    parts = [c.double() * s for c, s in zip(blocks_of(codec, code), tables(codec).double(), strict=True)]
    return inverse_jpeg_transform(parts, (8 * v * code.shape[-2], 8 * h * code.shape[-1]), (h, v))


def luma_plane(codec, code, subsampling):
    """Samples of luma, by SciPy."""
    blocks = blocks_of(codec, code)[0].double().numpy() * tables(codec)[0].double().numpy()
    samples = idctn(blocks, axes=(-2, -1), norm="ortho").swapaxes(-3, -2)
    return torch.from_numpy(samples.reshape(len(code), 8 * samples.shape[1], -1))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


# Flips and turns.


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize("subsampling", FACTORS)
def test_a_flipped_code_decodes_to_the_flipped_image(subsampling, axis):
    codec = JPEG(60, subsampling)
    code = codec.encode(images())
    flipped = flipped_code(codec, code, axis)
    assert flipped.dtype == code.dtype
    want, got = (codec.decode(c).int() for c in (code, flipped))
    difference = (got - want.flip(axis)).abs()
    if axis == -2 and subsampling != "4:4:0":
        assert difference.max() == 0
    else:
        # A unit of luma and one of chroma are at most three of blue.
        assert difference.max() <= 3
        exact = subsampling in ("4:4:4", "4:1:1")
        assert (difference > 0).float().mean() < (1e-3 if exact else 0.5)
    torch.testing.assert_close(real_image(codec, flipped, subsampling), real_image(codec, code, subsampling).flip(axis))
    assert torch.equal(flipped_code(codec, flipped, axis), code)


@pytest.mark.parametrize("axis", [-1, -2])
def test_grey_and_tables(axis):
    codec = JPEG(60, tables=True)
    grey = codec.encode(images(channels=1))
    flip = MCUFlip(horizontal_probability=axis == -1, vertical_probability=axis == -2)
    flip.adapt([codec], spec_of(codec, channels=1), None)
    want = codec.decode(grey).int().flip(axis)
    difference = (codec.decode(flip(grey)).int() - want).abs()
    assert difference.max() <= (axis == -1)
    assert difference.float().mean() < 1e-3
    colour = codec.encode(images())
    flipped = adapted(flip, codec)(colour)
    assert not torch.equal(flipped[:, :384], colour[:, :384])
    assert torch.equal(flipped[:, 384:], colour[:, 384:])


@pytest.mark.parametrize("subsampling", SQUARE)
@pytest.mark.parametrize("tables", [True, False])
def test_a_transposed_code_decodes_to_the_transposed_image(subsampling, tables):
    codec = JPEG(60, subsampling, tables=tables, dequantize=not tables)
    code = codec.encode(images())
    spec = spec_of(codec)
    turned = spec.join({name: transpose_blocks(part) for name, part in spec.split(code).items()})
    want, got = (codec.decode(c).int() for c in (code, turned))
    assert got.shape[-2:] == (64, 32)
    # libjpeg transforms columns before rows, each rounded.
    assert (got - want.mT).abs().max() <= 3
    if not tables:
        torch.testing.assert_close(real_image(codec, turned, subsampling), real_image(codec, code, subsampling).mT)


def which_flips(codec, code, got):
    """Of each example, which of four it became."""
    chosen = []
    for before, after in zip(code, got, strict=True):
        flips = {
            (x, y): flipped_code(codec, flipped_code(codec, before, -1) if x else before, -2)
            if y
            else (flipped_code(codec, before, -1) if x else before)
            for x in (0, 1)
            for y in (0, 1)
        }
        (one,) = [name for name, flipped in flips.items() if torch.equal(flipped, after)]
        chosen.append(one)
    return chosen


def test_each_example_is_flipped_by_its_own_draw():
    codec = JPEG(75)
    code = codec.encode(images(1)).repeat(400, 1, 1, 1)
    got = adapted(MCUFlip(horizontal_probability=0.5, vertical_probability=0.25), codec)(code)
    chosen = which_flips(codec, code, got)
    assert 150 < sum(x for x, _ in chosen) < 250
    assert 65 < sum(y for _, y in chosen) < 135
    assert len(set(chosen)) == 4
    assert torch.equal(adapted(MCUFlip(horizontal_probability=0), codec)(code), code)


def test_the_least_level_stays_in_the_spec():
    codec = JPEG(100, "4:4:4")
    code = torch.full((2, 192, 1, 1), -1024, dtype=torch.int16)
    got = adapted(MCUFlip(horizontal_probability=1), codec)(code)
    codec.spec((3, 8, 8)).check(got)
    assert set(got.unique().tolist()) == {-1024, 1023}


@pytest.mark.parametrize("subsampling", SQUARE)
def test_quarter_turns_are_those_of_the_image(subsampling):
    codec = JPEG(60, subsampling, dequantize=True)
    code = codec.encode(images(1, (32, 32))).repeat(60, 1, 1, 1)
    got = adapted(MCUTurn(), codec)(code)
    codec.spec((3, 32, 32)).check(got)
    image, turned = real_image(codec, code[:1], subsampling)[0], real_image(codec, got, subsampling)
    turns = {k: sum(torch.allclose(one, image.rot90(k, (-2, -1))) for one in turned) for k in range(4)}
    assert sum(turns.values()) == 60
    assert min(turns.values()) >= 5


def test_levels_turned_without_their_tables_keep_their_meaning():
    codec = JPEG(60, "4:4:4")
    augmentation, spec = adapted(MCUTurn(), codec), spec_of(codec)
    code = codec.encode(images(4, (32, 32)))
    parts = {name: augmentation.transposed(spec.field(name), part) for name, part in spec.split(code).items()}
    turned, want = blocks_of(codec, spec.join(parts)), blocks_of(codec, code)
    for component, other, steps in zip(turned, want, tables(codec), strict=True):
        error = (component * steps - (other * steps).transpose(-4, -3).mT).abs()
        assert (error <= steps / 2 + 1e-3).all()
    with pytest.raises(ValueError, match=r"takes square images; got a grid of \(4, 8\) MCUs"):
        augmentation(codec.encode(images()))
    with pytest.raises(MisconfigurationException, match=r"such as 4:4:4 and 4:2:0; field 'luma' .* has cells \(1, 2\)"):
        adapted(MCUTurn(), JPEG(60, "4:2:2"))


# Shifts.


@pytest.mark.parametrize("tables", [False, True])
def test_a_shift_moves_whole_mcus_and_fills_with_grey(tables):
    codec = JPEG(75, tables=tables)
    code = codec.encode(images(1, (64, 64))).repeat(60, 1, 1, 1)
    got = adapted(MCUShift(max_mcus=2), codec)(code)
    codec.spec((3, 64, 64)).check(got)
    moves = set()
    for before, after in zip(code, got, strict=True):
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                want = torch.zeros_like(before)
                want[384:] = before[384:]
                rows, columns = (range(max(0, d), min(4, 4 + d)) for d in (dy, dx))
                for r in rows:
                    for c in columns:
                        want[:, r, c] = before[:, r - dy, c - dx]
                if torch.equal(want, after):
                    moves.add((dy, dx))
    assert len(moves) > 15
    assert {dy for dy, _ in moves} == {dx for _, dx in moves} == set(range(-2, 3))
    grey = codec.decode(adapted(MCUShift(max_mcus=0), codec)(code * 0 + 1 if tables else code * 0))
    assert tables or (grey == 128).all()


# Levels.


@pytest.mark.parametrize("arguments", [{}, {"tables": True}, {"dequantize": True}])
def test_brightness_adds_to_all_samples(arguments):
    codec = JPEG(60, "4:4:4", **arguments)
    image = torch.full((200, 3, 16, 16), 100, dtype=torch.uint8)
    code = codec.encode(image)
    got = adapted(CoefficientBrightness(max_change=40), codec)(code)
    codec.spec((3, 16, 16)).check(got)
    decoded = codec.decode(got)
    values = decoded.flatten(1).float()
    assert (values.std(1) < 1).all()  # all samples of an image alike
    step = 1 if arguments.get("dequantize") else tables(codec)[0, 0, 0] / 8
    assert 60 - step - 1 <= values.min() < 66
    assert 134 < values.max() <= 140 + step + 1
    changed = (got != code).any(0).flatten(1).any(1)
    assert changed.nonzero().flatten().tolist() == [0]


def test_contrast_multiplies_the_distance_from_mid_grey():
    codec = JPEG(100, "4:2:0", dequantize=True)
    code = codec.encode(images(1, (32, 32))).repeat(100, 1, 1, 1)
    got = adapted(CoefficientContrast(max_change=0.5), codec)(code)
    codec.spec((3, 32, 32)).check(got)
    before, after = (real_image(codec, c, "4:2:0").flatten(1) - 128 for c in (code, got))
    factor = (before * after).sum(1, keepdim=True) / before.square().sum(1, keepdim=True)
    assert (after - factor * before).abs().max() < 5  # 64 roundings of up to a half, twice interpolated
    assert 0.5 <= factor.min() < 0.6
    assert 1.4 < factor.max() <= 1.5
    tables = JPEG(50, tables=True)
    code = tables.encode(images())
    assert torch.equal(adapted(CoefficientContrast(), tables)(code)[:, 384:], code[:, 384:])


def test_dropped_frequencies_are_missing_in_all_blocks():
    codec = JPEG(100, tables=True)
    code = torch.ones(300, 576, 2, 2, dtype=torch.int16)
    got = adapted(FrequencyDropout(probability=0.3), codec)(code)
    assert (got[:, 384:] == 1).all()
    levels = got[:, :384].view(300, 6, 64, 2, 2)
    first = levels[:, 0, :, 0, 0]
    assert (levels == first.view(300, 1, 64, 1, 1)).all()
    assert (first[:, 0] == 1).all()
    assert (first[:, 1:] == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0", "4:2:2"])
@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_zoom_repeats_or_averages_samples(subsampling, size):
    codec = JPEG(100, subsampling, dequantize=True)
    code = codec.encode(images(12, size))
    rows, columns = code.shape[-2:]
    h, v = FACTORS[subsampling]
    zoom = adapted(MCUZoom(), codec)
    before = luma_plane(codec, code, subsampling)
    larger, smaller = (luma_plane(codec, f(code), subsampling) for f in (zoom.enlarged, zoom.reduced))
    half = -(-rows // 2), -(-columns // 2)
    averaged = before[:, : rows // 2 * 16 * v, : columns // 2 * 16 * h]
    averaged = averaged.unflatten(1, (-1, 2)).unflatten(3, (-1, 2)).mean((2, 4))
    for one, big, small, mean in zip(before, larger, smaller, averaged, strict=True):
        fits = [
            (
                big
                - one.repeat_interleave(2, 0).repeat_interleave(2, 1)[16 * v * y :, 16 * h * x :][
                    : len(big), : big.shape[1]
                ]
            )
            .abs()
            .max()
            < 4
            for y in range(rows - half[0] + 1)
            for x in range(columns - half[1] + 1)
        ]
        assert sum(fits) == 1
        places = [
            (8 * v * y, 8 * h * x) for y in range(rows - rows // 2 + 1) for x in range(columns - columns // 2 + 1)
        ]
        fits = []
        for top, left in places:
            want = torch.zeros_like(one)
            want[top : top + len(mean), left : left + mean.shape[1]] = mean
            fits.append((small - want).abs().max() < 4)
        assert sum(fits) == 1


@pytest.mark.parametrize("arguments", [{}, {"tables": True}])
def test_zoom_works_on_levels(arguments):
    codec, plain = JPEG(90, **arguments), JPEG(90, dequantize=True)
    image = images(8, (64, 64))
    results = []
    for each in (codec, plain):
        torch.manual_seed(3)
        code = adapted(MCUZoom(enlarge_probability=0.5, reduce_probability=0.5), each)(each.encode(image))
        each.spec((3, 64, 64)).check(code)
        results.append(each.decode(code).float())
    assert (results[0] - results[1]).abs().mean() < 3.5
    assert (results[0] - codec.decode(codec.encode(image)).float()).flatten(1).abs().mean(1).min() > 10
    nothing = adapted(MCUZoom(enlarge_probability=0, reduce_probability=0), codec)
    assert torch.equal(nothing(codec.encode(image)), codec.encode(image))


# All of them.

ALL = [
    MCUFlip(vertical_probability=0.5),
    MCUTurn(),
    MCUShift(max_mcus=2),
    CoefficientBrightness(),
    CoefficientContrast(),
    FrequencyDropout(),
    MCUZoom(),
]


@pytest.mark.parametrize("augmentation", ALL, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("arguments", [{}, {"tables": True}, {"dequantize": True}])
def test_codes_stay_in_their_spec_and_random_numbers_are_torchs(augmentation, arguments):
    codec = JPEG(50, **arguments)
    adapted(augmentation, codec)
    code = codec.encode(images(4, (64, 64)))
    kept = code.clone()
    torch.manual_seed(5)
    first = augmentation(code)
    torch.manual_seed(5)
    again = augmentation(code)
    assert first.dtype == torch.int16
    assert torch.equal(first, again)
    assert torch.equal(code, kept)
    assert any(not torch.equal(augmentation(code), first) for _ in range(4))
    codec.spec((3, 8 * 2 * first.shape[-2], 8 * 2 * first.shape[-1])).check(first)
    assert not augmentation.state_dict()


def test_a_chain_runs_on_any_batch():
    codec = JPEG(75, "4:4:4")
    chain = Chain([MCUFlip(), MCUShift(), CoefficientBrightness(), CoefficientContrast()])
    for module in chain.modules():
        if hasattr(module, "adapt"):
            module.adapt([codec], spec_of(codec), None)
    code = codec.encode(images(5, (32, 32)))
    codec.spec((3, 32, 32)).check(chain(code))


def test_wrong_wiring_is_named():
    with pytest.raises(MisconfigurationException, match="MCUFlip does not know the fields of the codes; hand it to"):
        MCUFlip()(torch.zeros(1, 384, 1, 1, dtype=torch.int16))
    with pytest.raises(
        MisconfigurationException, match=r"the field 'code' of \[PCM\(.* has 3 channels of numbers on a"
    ):
        adapted(MCUShift(), PCM())
    with pytest.raises(
        ValueError, match=r"codes of shape \(..., 384, any, any\) are expected here; got \(1, 192, 1, 1\)"
    ):
        adapted(MCUFlip(), JPEG())(torch.zeros(1, 192, 1, 1, dtype=torch.int16))
    with pytest.raises(ValueError, match=r"adapted to codes of 3 axes; got \(384, 1, 1\), batch included"):
        adapted(MCUFlip(), JPEG())(torch.zeros(384, 1, 1, dtype=torch.int16))


@pytest.mark.parametrize("make", [MCUTurn, CoefficientBrightness, MCUZoom])
def test_levels_of_several_units_are_refused_if_units_matter(make):
    coarse, fine = JPEG(20), JPEG(90)
    with pytest.raises(MisconfigurationException, match=r"needs levels of one unit, but the fields \['luma'.* in JPEG"):
        make().adapt([coarse, fine], spec_of(coarse), None)
    for arguments in ({"dequantize": True}, {"tables": True}):
        codecs = [JPEG(20, **arguments), JPEG(90, **arguments)]
        make().adapt(codecs, CodeSpec.union(*map(spec_of, codecs)), None)


@pytest.mark.parametrize("make", [MCUFlip, MCUShift, CoefficientContrast, FrequencyDropout])
def test_units_do_not_matter_to_the_others(make):
    make().adapt([JPEG(20), JPEG(90)], spec_of(JPEG()), None)


class Blocks(JPEG):
    """JPEG with fields of other names, which tells no steps."""

    def spec(self, shape):
        spec = super().spec(shape)
        return spec._replace(fields=tuple(field._replace(name=f"plane {field.name}") for field in spec.fields))

    def steps(self):
        return None


def test_other_codes_of_blocks_are_augmented_alike():
    codec, other = JPEG(60, "4:2:2"), Blocks(60, "4:2:2")
    code = codec.encode(images())
    for make in (MCUFlip, MCUShift, CoefficientContrast, FrequencyDropout):
        results = []
        for each in (codec, other):
            torch.manual_seed(1)
            results.append(adapted(make(), each)(code))
        assert torch.equal(*results)
    with pytest.raises(MisconfigurationException, match=r"changes the field 'luma'.* have \['plane luma', 'plane cb'"):
        adapted(CoefficientBrightness(), other)
    with pytest.raises(
        MisconfigurationException, match=r"MCUZoom needs the quantization steps of the fields \['plane l"
    ):
        adapted(MCUZoom(), other)


def test_cells_and_ranges_are_those_of_each_field():
    """Three rows and one column of cells; each frequency has a range of its own."""
    low, high = tuple(range(-70, -6)), (70,) * 64
    spec = CodeSpec([Field("a", low, high, True, (3, 1)), Field("b", low, high, True)], (2, 2))
    code = torch.randint(0, 71, (5, 256, 2, 2))
    flip = MCUFlip(horizontal_probability=1, vertical_probability=1)
    flip.adapt([], spec, None)
    got = flip(code)
    spec.check(got)
    for name, part in spec.split(code).items():
        want = part.clone()
        for axis in (-1, -2):
            want = flip_blocks(want, axis).clamp(torch.tensor(low).view(-1, 1, 1), torch.tensor(high).view(-1, 1, 1))
        assert torch.equal(spec.split(got)[name], want)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_flipped_codes_lie_in_memory_as_the_codes_do(layout):
    """So that what trains on them computes the same, to the last digit."""
    codec = JPEG(60)
    code = codec.encode(images()).contiguous(memory_format=layout)
    got = adapted(MCUFlip(), codec)(code)
    assert got.is_contiguous(memory_format=layout)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MCUFlip(horizontal_probability=1.5),
        lambda: FrequencyDropout(probability=1.1),
        lambda: CoefficientContrast(max_change=2),
        lambda: MCUZoom(enlarge_probability=0.7, reduce_probability=0.7),
    ],
)
def test_probabilities(make):
    with pytest.raises(InputError, match="is from 0 to 1; got"):
        make()


@pytest.mark.parametrize("make", [CoefficientBrightness, MCUZoom])
def test_dequantized_codes_that_carry_tables_are_coefficients(make):
    """The same as without tables, which are left alone."""
    made = []
    for tables in (False, True):
        codec = JPEG(60, dequantize=True, tables=tables)
        torch.manual_seed(0)
        made.append(adapted(make(), codec)(codec.encode(images())))
    assert torch.equal(made[1][:, :384], made[0])
    assert torch.equal(made[1][:, 384:], codec.encode(images())[:, 384:])


@pytest.mark.parametrize("make", [lambda: MCUShift(max_mcus=-1), lambda: CoefficientBrightness(max_change=-1)])
def test_negative_numbers(make):
    with pytest.raises(ValueError, match="is at least 0; got -1"):
        make()
