"""Stems for coefficients, against SciPy's transform and loops over blocks."""

from functools import partial

import numpy as np
import pytest
import simplejpeg
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from scipy.fft import dctn, idctn

from lossy_lightning.codecs import JPEG, PCM
from lossy_lightning.core import CodeSpec, CodeStatistics, Field
from lossy_lightning.data._statistics import moments, statistics_of
from lossy_lightning.nn import (
    BlockDCT,
    CoefficientPlanes,
    FrequencyBatchNorm,
    FrequencyNorm,
    InverseDCT,
    SpaceToDepth,
)

SUBSAMPLINGS = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "4:4:0": (1, 2), "4:1:1": (4, 1)}


def images(count=3, size=(32, 64), channels=3):
    """Smooth images with some noise, so that high frequencies survive."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: size[0], : size[1]]
    waves = [
        np.stack([127 + 60 * np.sin(x / (3 + c + n) + n) + 30 * np.cos(y / (2 + c)) for c in range(channels)])
        for n in range(count)
    ]
    noisy = np.stack(waves) + rng.normal(0, 12, (count, channels, *size))
    return torch.from_numpy(noisy.clip(0, 255).astype(np.uint8))


def statistics(code):
    return statistics_of(moments(code, CodeSpec.uniform(code.shape[1:], -(2**15), 2**15 - 1, ordinal=True)))


def adapted(stem, codec, code):
    stem.adapt([codec], stem.code_spec, statistics(code))
    return stem


def planes_of(code, factors, table_luma, table_chroma):
    """Samples less 128 of each component of one code ``(C, rows, columns)``, by SciPy, block by block."""
    h, v = factors
    _, rows, columns = code.shape
    blocks = code.double().numpy().reshape(-1, 8, 8, rows, columns)
    luma, chroma = np.zeros((8 * v * rows, 8 * h * columns)), np.zeros((2, 8 * rows, 8 * columns))
    for r in range(rows):
        for c in range(columns):
            for b in range(h * v):
                i, j = v * r + b // h, h * c + b % h
                luma[8 * i : 8 * i + 8, 8 * j : 8 * j + 8] = idctn(blocks[b, :, :, r, c] * table_luma, norm="ortho")
            for k in range(2):
                block = blocks[h * v + k, :, :, r, c] * table_chroma
                chroma[k, 8 * r : 8 * r + 8, 8 * c : 8 * c + 8] = idctn(block, norm="ortho")
    return luma, chroma


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_unfolding_by_8_gives_the_pixels_before_a_decoder_rounds_them(subsampling):
    codec = JPEG(60, subsampling)
    code = codec.encode(images())
    stem = adapted(InverseDCT(codec.spec((3, 32, 64))), codec, code)
    h, v = SUBSAMPLINGS[subsampling]
    features = stem(code)
    assert features.shape[1:] == stem.shape == (3, 32, 64)
    luma_table, chroma_table = (table.double().numpy() for table in codec._tables)
    for one, got in zip(code, features, strict=True):
        luma, chroma = planes_of(one, (h, v), luma_table, chroma_table)
        np.testing.assert_allclose(got[0] * 128, luma, atol=2e-3)
        np.testing.assert_allclose(got[1:] * 128, chroma.repeat(v, 1).repeat(h, 2), atol=2e-3)


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_unfolding_to_rgb_is_space_to_depth_of_the_decoded_pixels(subsampling, factor):
    """Against libjpeg without fancy upsampling, which repeats chroma as we do."""
    codec = JPEG(97, subsampling)  # simplejpeg takes the accurate DCT above 95 only
    (image,) = images(1)
    code = codec.encode(image[None])
    stem = adapted(InverseDCT(codec.spec((3, 32, 64)), factor, rgb=True), codec, code)
    got = stem(code)
    assert got.shape[1:] == stem.shape
    file = simplejpeg.encode_jpeg(
        np.ascontiguousarray(image.permute(1, 2, 0)), 97, colorsubsampling=subsampling.replace(":", "")
    )
    pixels = torch.from_numpy(simplejpeg.decode_jpeg(file, fastupsample=True)).permute(2, 0, 1)[None]
    want = torch.nn.functional.pixel_unshuffle(pixels.float(), 8 // factor)
    assert ((got * 128 + 128).clamp(0, 255) - want).abs().max() < 2.5


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_unfolding_by_less_is_space_to_depth_of_the_pixels(factor, subsampling):
    codec = JPEG(60, subsampling)
    code = codec.encode(images())
    stem = adapted(InverseDCT(codec.spec((3, 32, 64)), factor), codec, code)
    whole = adapted(InverseDCT(codec.spec((3, 32, 64)), 8), codec, code)(code)
    features = stem(code)
    assert features.shape[1:] == stem.shape
    patch = 8 // factor
    luma = torch.nn.functional.pixel_unshuffle(whole[:, :1], patch)
    torch.testing.assert_close(features[:, : patch**2], luma)
    cells = max(1, patch // SUBSAMPLINGS[subsampling][0])
    chroma = whole[:, 1:, :: patch // cells, :: patch // cells]
    torch.testing.assert_close(features[:, patch**2 :], torch.nn.functional.pixel_unshuffle(chroma, cells))


def test_grey_has_no_colours():
    with pytest.raises(ValueError, match=r"grey has no colours: rgb=True needs .* got the fields \['luma'\]"):
        InverseDCT(JPEG(60).spec((1, 32, 64)), rgb=True)


def test_unfolding_grey():
    codec = JPEG(60)
    code = codec.encode(images(channels=1))
    stem = adapted(InverseDCT(codec.spec((1, 32, 64))), codec, code)
    assert stem.shape == (1, 32, 64)
    assert ((stem(code) * 128 + 128).clamp(0, 255) - codec.decode(code).float()).abs().max() < 1.1


@pytest.mark.parametrize("make", [InverseDCT, FrequencyNorm])
def test_all_ways_to_know_the_tables_give_the_same(make):
    """Levels and the codec's tables, levels and the tables that travel with them, dequantized levels."""
    features = []
    for arguments in ({}, {"tables": True}, {"dequantize": True}, {"dequantize": True, "tables": True}):
        codec = JPEG(60, **arguments)
        code = codec.encode(images())
        stem = make(codec.spec((3, 32, 64)), **({"min_std": 1e-9} if make is FrequencyNorm else {}))
        features.append(adapted(stem, codec, code)(code))
    # What is always zero has a least deviation in other units.
    for other in features[1:]:
        torch.testing.assert_close(features[0], other)


@pytest.mark.parametrize("tables", [False, True])
def test_a_stem_of_reduced_precision_gives_features_of_its_own(tables):
    codec = JPEG(60, tables=tables)
    code = codec.encode(images())
    stem = adapted(InverseDCT(codec.spec((3, 32, 64))), codec, code)
    want = stem(code)
    got = stem.bfloat16()(code)
    assert got.dtype == torch.bfloat16
    assert (got.float() - want).norm() < 0.01 * want.norm()


def test_tables_are_each_examples_own():
    first, second = JPEG(20, tables=True), JPEG(90, tables=True)
    image = images(2)
    code = torch.cat([first.encode(image[:1]), second.encode(image[1:])])
    stem = adapted(InverseDCT(first.spec((3, 32, 64))), first, code)
    for i, codec in enumerate((first, second)):
        plain = JPEG(codec.quality)
        alone = adapted(InverseDCT(plain.spec((3, 32, 64))), plain, plain.encode(image))
        torch.testing.assert_close(stem(code)[i : i + 1], alone(plain.encode(image[i : i + 1])))
    with pytest.raises(MisconfigurationException, match=r"tables differ among the training codes.*FrequencyBatchNorm"):
        adapted(FrequencyNorm(first.spec((3, 32, 64))), first, code)


def loop_normalised(values, blocks, epsilon):
    """Per frequency, over all blocks of a component."""
    out = values.copy()
    for f in range(64):
        channels = [64 * b + f for b in blocks]
        part = values[:, channels]
        out[:, channels] = (part - part.mean()) / np.sqrt(part.var() + epsilon)
    return out


@pytest.mark.parametrize("stem", [FrequencyNorm, FrequencyBatchNorm])
def test_frequencies_are_normalised_over_all_blocks_of_a_component(stem):
    codec = JPEG(95)
    code = codec.encode(images(8))
    module = adapted(stem(codec.spec((3, 32, 64))), codec, code)
    values = torch.cat(module.coefficients(code), 1).double().numpy()
    for blocks in ((0, 1, 2, 3), (4,), (5,)):
        values = loop_normalised(values, blocks, 1e-12 if stem is FrequencyNorm else 1e-5)
    deviation = code.double().numpy().reshape(8, 6, 64, -1)
    alive = np.ones(384, bool)
    for blocks in ((0, 1, 2, 3), (4,), (5,)):
        for b in blocks:
            alive[64 * b : 64 * b + 64] = deviation[:, blocks].std((0, 1, 3)) > 0.1
    assert alive.mean() > 0.9
    np.testing.assert_allclose(module(code).detach().numpy()[:, alive], values[:, alive], atol=2e-3)


def test_a_frequency_that_is_nearly_always_zero_stays_small():
    codec = JPEG(50, "4:4:4")
    spec = codec.spec((3, 8, 8))
    code = torch.zeros(1000, 192, 1, 1, dtype=torch.int16)
    code[0, 63] = 1
    module = adapted(FrequencyNorm(spec), codec, code)
    assert module(code)[0, 63].item() == pytest.approx(10, abs=0.02)
    free = adapted(FrequencyNorm(spec, min_std=1e-9), codec, code)
    assert free(code)[0, 63].item() == pytest.approx(31.6, abs=0.1)


@pytest.mark.parametrize("stem", [FrequencyNorm, FrequencyBatchNorm])
def test_the_lowest_frequencies_are_chosen_on_the_grid_of_luma(stem):
    codec = JPEG(90)
    code = codec.encode(images(4))
    whole = adapted(stem(codec.spec((3, 32, 64))), codec, code)
    few = adapted(stem(codec.spec((3, 32, 64)), luma=3, chroma=2, unstack=True), codec, code)
    features, want = few(code), whole(code)
    assert features.shape[1:] == few.shape == (7, 4, 8)
    for row in range(4):
        for column in range(8):
            block = 2 * (row % 2) + column % 2
            channels = [64 * block + f for f in (0, 1, 8)] + [256, 257, 320, 321]
            torch.testing.assert_close(features[:, :, row, column], want[:, channels, row // 2, column // 2])


def test_a_checkpoint_keeps_tables_and_statistics():
    codec = JPEG(30)
    code = codec.encode(images())
    for make in (FrequencyNorm, InverseDCT):
        stem = adapted(make(codec.spec((3, 32, 64))), codec, code)
        again = make(codec.spec((3, 32, 64)))
        assert not torch.equal(again(code), stem(code))
        again.load_state_dict(stem.state_dict())
        assert torch.equal(again(code), stem(code))


# Training the unfolding.


def steps_of_adamw(stem, count=30, weight_decay=0.5):
    """Only weight decay acts: the loss does not depend on the features."""
    optimizer = torch.optim.AdamW(stem.parameters(), lr=0.1, weight_decay=weight_decay)
    for _ in range(count):
        for parameter in stem.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()


def test_weight_decay_leaves_a_relative_unfolding_exact_and_shrinks_a_plain_one():
    codec = JPEG(75, "4:4:4")
    code = codec.encode(images())
    spec = codec.spec((3, 32, 64))
    want = adapted(InverseDCT(spec, 4), codec, code)(code)
    relative = adapted(InverseDCT(spec, 4, trainable=True), codec, code)
    plain = adapted(InverseDCT(spec, 4, trainable=True, relative=False), codec, code)
    for stem in (relative, plain):
        torch.testing.assert_close(stem(code), want)
        steps_of_adamw(stem)
    torch.testing.assert_close(relative(code), want)
    assert plain(code).norm() < 0.5 * want.norm()


def test_one_step_of_adam_changes_a_relative_unfolding_by_the_same_share_everywhere():
    codec = JPEG(75, "4:4:4")
    code = codec.encode(images())
    stem = adapted(InverseDCT(codec.spec((3, 32, 64)), 4, trainable=True, rate=0.5), codec, code)
    optimizer = torch.optim.Adam(stem.parameters(), lr=0.01)
    stem(torch.randint(-9, 10, code.shape)).square().sum().backward()  # no frequency is always zero
    optimizer.step()
    assert {name for name, _ in stem.named_parameters()} == {"luma", "chroma"}
    for parameter in stem.parameters():
        torch.testing.assert_close(parameter.abs(), torch.full_like(parameter, 0.01), atol=1e-4, rtol=0)


def test_gains_of_frequencies_keep_the_basis_orthogonal():
    codec = JPEG(75, "4:4:4")
    stem = adapted(InverseDCT(codec.spec((3, 8, 8)), per_frequency=True, trainable=True), codec, codec.encode(images()))
    torch.nn.init.normal_(stem.luma)
    code = torch.eye(64).view(64, 64, 1, 1).repeat(1, 3, 1, 1)
    luma = stem(code)[:, 0].flatten(1)
    products = luma @ luma.T
    assert torch.allclose(products, products.diag().diag(), atol=1e-3)
    assert stem.luma.numel() == 64


@pytest.mark.parametrize("relative", [True, False])
def test_a_trained_unfolding_to_rgb_maps_what_it_unfolds(relative):
    """By the equations of JFIF, on features that training has moved."""
    codec = JPEG(75, "4:4:4")
    code = codec.encode(images())
    arguments = {"factor": 4, "trainable": True, "relative": relative}
    stems = [InverseDCT(codec.spec((3, 32, 64)), **arguments, rgb=rgb) for rgb in (False, True)]
    plain, mapped = [adapted(stem, codec, code) for stem in stems]
    mapped(code).square().sum().backward()
    with torch.no_grad():
        for name, parameter in mapped.named_parameters():
            assert parameter.grad.norm() > 0, name
            parameter -= 0.1 * parameter.grad / parameter.grad.abs().max()
    plain.load_state_dict(mapped.state_dict())
    y, cb, cr = plain(code).view(len(code), 3, 4, 16, 32).unbind(1)
    want = torch.cat([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], 1)
    torch.testing.assert_close(mapped(code), want, rtol=1e-4, atol=1e-4)
    frozen = InverseDCT(codec.spec((3, 32, 64)), 4, rgb=True)
    assert (mapped(code) - adapted(frozen, codec, code)(code)).norm() > 0.01 * want.norm()


def test_frozen_has_no_parameters():
    assert not list(InverseDCT(JPEG().spec((3, 16, 16))).parameters())


# Planes.


def test_planes_are_sign_and_magnitude():
    codec = JPEG(90, "4:4:4")
    code = codec.encode(images())
    stem = CoefficientPlanes(codec.spec((3, 32, 64)), luma=3, chroma=1, mean_bit_width=9, bit_width=3)
    planes = stem(code)
    assert set(planes.unique().tolist()) == {-1.0, 1.0}
    assert planes.shape[1:] == stem.shape
    means, others = [0, 64, 128], [1, 8]
    assert stem.shape[0] == len(means) * 10 + len(others) * 4
    bits = (planes > 0).int()
    signs, rest = bits[:, :5], bits[:, 5:]
    for index, channel in enumerate(means + others):
        assert torch.equal(signs[:, index] == 1, code[:, channel] >= 0)
    for index, channel in enumerate(means):
        number = sum(rest[:, 3 * place + index] * 2 ** (8 - place) for place in range(9))
        assert torch.equal(number, code[:, channel].int().abs().clamp(max=511))
    for index, channel in enumerate(others):
        number = sum(rest[:, 27 + 2 * place + index] * 2 ** (2 - place) for place in range(3))
        assert torch.equal(number, code[:, channel].int().abs().clamp(max=7))


# Controls.


def ycbcr_blocks(image, factors):
    """Unrounded coefficients of an image ``(3, H, W)``, by SciPy, in the layout of codes."""
    h, v = factors
    r, g, b = image.double().numpy()
    y = 0.299 * r + 0.587 * g + 0.114 * b - 128
    chroma = [(b - y - 128) / 1.772, (r - y - 128) / 1.402]
    rows, columns = y.shape[0] // (8 * v), y.shape[1] // (8 * h)
    out = np.zeros((64 * (h * v + 2), rows, columns))
    for i in range(rows):
        for j in range(columns):
            for block in range(h * v):
                top, left = 8 * (v * i + block // h), 8 * (h * j + block % h)
                part = dctn(y[top : top + 8, left : left + 8], norm="ortho")
                out[64 * block : 64 * block + 64, i, j] = part.flatten()
            for k, plane in enumerate(chroma):
                part = plane[8 * v * i : 8 * v * (i + 1), 8 * h * j : 8 * h * (j + 1)]
                mean = part.reshape(8, v, 8, h).mean((1, 3))
                out[64 * (h * v + k) : 64 * (h * v + k + 1), i, j] = dctn(mean, norm="ortho").flatten()
    return out


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_a_fixed_convolution_of_pixels_gives_the_coefficients(subsampling):
    image = images(1, (32, 64))
    stem = BlockDCT(PCM().spec((3, 32, 64)), subsampling)
    got = stem(image)
    assert got.shape[1:] == stem.shape
    np.testing.assert_allclose(got[0], ycbcr_blocks(image[0], SUBSAMPLINGS[subsampling]), atol=2e-3)
    # The codec rounds colours to whole samples, then coefficients to steps of 1.
    code = JPEG(100, subsampling, dequantize=True).encode(image)
    assert (got - code).abs().max() < 3.5
    assert (got - code).square().mean().sqrt() < 0.5


def test_the_control_runs_through_the_stems_of_coefficients():
    image = images(4, (32, 32))
    spec = PCM().spec((3, 32, 32))
    control = BlockDCT(spec, "4:4:4", then=partial(InverseDCT, factor=4))
    assert control.shape == (12, 16, 16)
    y = (control(image)[:, :4] + 1) * 128
    luma = (image.float() * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(y, torch.nn.functional.pixel_unshuffle(luma, 2), atol=2e-3, rtol=0)
    norm = BlockDCT(spec, "4:2:0", then=FrequencyBatchNorm)
    assert norm(image).shape == (4, 384, 2, 2)


def test_space_to_depth_is_a_patch_of_scaled_pixels():
    image = images(2, (32, 32))
    stem = SpaceToDepth(PCM().spec((3, 32, 32)))
    got = stem(image)
    assert got.shape[1:] == stem.shape == (12, 16, 16)
    for channel in range(3):
        for place in range(4):
            want = image[:, channel, place // 2 :: 2, place % 2 :: 2] / 127.5 - 1
            torch.testing.assert_close(got[:, 4 * channel + place], want)


# Errors.


@pytest.mark.parametrize("make", [InverseDCT, FrequencyNorm, FrequencyBatchNorm, CoefficientPlanes])
def test_the_spec_tells_codes_of_as_many_channels_apart(make):
    """4:4:4 with tables has as many as 4:2:0, and 4:2:0 as many as 4:1:1."""
    for ours, theirs in (
        (JPEG(75, "4:4:4", tables=True), JPEG(75)),
        (JPEG(75, "4:1:1"), JPEG(75)),
        (JPEG(75, "4:4:0"), JPEG(75, "4:2:2")),
    ):
        one, other = (codec.spec((3, 32, 64)) for codec in (ours, theirs))
        assert one.shape[0] == other.shape[0]
        for codec, spec in ((ours, one), (theirs, other)):
            code = codec.encode(images())
            stem = adapted(make(spec), codec, code)
            assert stem(code).shape[1:] == stem.shape


@pytest.mark.parametrize(
    ("codec", "others", "ok"),
    [
        (JPEG(75), [JPEG(75, requantize=True)], True),
        (JPEG(75), [JPEG(75), JPEG(20)], False),
        (JPEG(75, dequantize=True), [JPEG(20, dequantize=True)], True),
        (JPEG(75, dequantize=True), [JPEG(20)], False),
        (JPEG(75, tables=True), [JPEG(20, tables=True)], True),
        (JPEG(75, tables=True, dequantize=True), [JPEG(20, tables=True, dequantize=True)], True),
    ],
)
def test_levels_of_codecs_with_other_tables_are_not_multiplied_alike(codec, others, ok):
    spec = codec.spec((3, 32, 64))
    stem = InverseDCT(spec)
    if ok:
        stem.adapt([codec, *others], spec, statistics(codec.encode(images())))
    else:
        with pytest.raises(
            MisconfigurationException, match=r"InverseDCT multiplies .* field 'luma' .*JPEG.* differ: use"
        ):
            stem.adapt([codec, *others], spec, statistics(codec.encode(images())))


@pytest.mark.parametrize("other", [JPEG(20, tables=True, dequantize=True), JPEG(75, "4:4:4", tables=True)])
def test_codes_that_carry_their_tables_and_others_are_of_no_one_spec(other):
    with pytest.raises(ValueError, match="must agree in fields"):
        CodeSpec.union(JPEG(75, tables=True).spec((3, 32, 32)), other.spec((3, 32, 32)))


# Fields.


def test_fields_are_chosen_by_name():
    codec = JPEG(60, tables=True)
    code, spec = codec.encode(images()), codec.spec((3, 32, 64))
    whole = adapted(FrequencyNorm(spec, unstack=True), codec, code)(code)
    luma = adapted(FrequencyNorm(spec, unstack=True, fields=["luma"]), codec, code)
    assert luma.shape == (64, 4, 8)
    torch.testing.assert_close(luma(code), whole[:, :64])
    chroma = adapted(FrequencyNorm(spec, fields=["cr", "cb"]), codec, code)
    fine = chroma(code).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(fine, torch.cat([whole[:, 128:], whole[:, 64:128]], 1))
    grey = adapted(InverseDCT(spec, fields=["luma"]), codec, code)
    torch.testing.assert_close(grey(code), adapted(InverseDCT(spec), codec, code)(code)[:, :1])
    planes = CoefficientPlanes(spec, fields=["cb"])
    assert planes(code).shape == (3, 11 + 63 * 5, 2, 4)


@pytest.mark.parametrize("stem", [FrequencyNorm, FrequencyBatchNorm])
def test_fields_stay_apart_each_on_its_own_grid(stem):
    codec = JPEG(60)
    code, spec = codec.encode(images()), codec.spec((3, 32, 64))
    joined = adapted(stem(spec, luma=10, chroma=4, unstack=True), codec, code)
    apart = adapted(stem(spec, luma=10, chroma=4, by_field=True), codec, code)
    features = apart(code)
    assert {name: tuple(part.shape[1:]) for name, part in features.items()} == apart.shape
    assert apart.shape == {"luma": (10, 4, 8), "cb": (4, 2, 4), "cr": (4, 2, 4)}
    fine = [part.repeat_interleave(2, 2).repeat_interleave(2, 3) for part in (features["cb"], features["cr"])]
    torch.testing.assert_close(torch.cat([features["luma"], *fine], 1), joined(code))
    _, own = apart(code, torch.tensor([[2, 4], [1, 3], [1, 1]]))
    assert own["luma"].tolist() == [[4, 8], [2, 6], [2, 2]]
    assert own["cb"].tolist() == own["cr"].tolist() == [[2, 4], [1, 3], [1, 1]]
    with pytest.raises(ValueError, match=r"\(unstack=True\), or each field's on its own \(by_field=True\)"):
        stem(spec, unstack=True, by_field=True)


def test_padding_counts_in_no_statistics():
    codec = JPEG(90)
    code, spec = codec.encode(images(4)), codec.spec((3, None, None))
    alone, padded = FrequencyBatchNorm(spec), FrequencyBatchNorm(spec)
    alone(code)
    junk = torch.randint(-99, 99, (4, 384, 5, 6), dtype=code.dtype)
    junk[..., :2, :4] = code
    padded(junk, torch.tensor([[2, 4]] * 4))
    for one, other in zip(alone.norms, padded.norms, strict=True):
        torch.testing.assert_close(one.running_mean, other.running_mean)
        torch.testing.assert_close(one.running_var, other.running_var, rtol=1e-4, atol=1e-5)


def absent_levels():
    """Codes of one block a position, a level of which may be absent, and where it is."""
    spec = CodeSpec([Field("luma", (-9,) * 64, (9,) * 64, True, absent=-128)], (2, 3))
    code = torch.randint(-9, 10, (3, 64, 2, 3), dtype=torch.int16, generator=torch.Generator().manual_seed(0))
    absent = torch.rand(code.shape, generator=torch.Generator().manual_seed(1)) < 0.2
    return spec, code.masked_fill(absent, -128), absent


def test_levels_that_are_absent_are_zero():
    spec, code, absent = absent_levels()
    for make in (FrequencyNorm, FrequencyBatchNorm):
        assert (make(spec)(code)[absent] == 0).all()
        assert (make(spec)(code)[~absent] != 0).any()
    torch.testing.assert_close(InverseDCT(spec)(code), InverseDCT(spec)(code.masked_fill(absent, 0)))


def test_levels_that_are_absent_are_told_by_planes_of_presence():
    spec, code, absent = absent_levels()
    sent = CodeSpec([spec.fields[0]._replace(absent=None)], spec.grid)
    stem, plain = CoefficientPlanes(spec, luma=3), CoefficientPlanes(sent, luma=3)
    planes = stem(code)
    assert planes.shape[1:] == stem.shape == (plain.shape[0] + 3, 2, 3)
    torch.testing.assert_close(planes[:, :-3], plain(code.masked_fill(absent, 0)))
    torch.testing.assert_close(planes[:, -3:], 1 - 2 * absent[:, [0, 1, 8]].float())


@pytest.mark.parametrize("make", [SpaceToDepth, BlockDCT])
def test_pixels_on_a_coarser_grid_are_of_images_of_one_size(make):
    with pytest.raises(ValueError, match=r"\(C, H, W\) of one size; got codes of shape \(3, None, None\): crop them"):
        make(PCM().spec((3, None, None)))


def test_what_follows_the_convolution_is_a_class():
    spec = PCM().spec((3, 32, 32))
    with pytest.raises(ValueError, match=r"then is made later, .*; got Identity\(...\), which is made already"):
        BlockDCT(spec, then=torch.nn.Identity())


def test_what_does_not_fit_is_named():
    spec = JPEG(chroma_subsampling="4:2:2").spec((3, 32, 32))
    pixels = PCM().spec((3, 32, 32))
    for make in (FrequencyNorm, FrequencyBatchNorm, InverseDCT, CoefficientPlanes):
        kind = make.__name__
        with pytest.raises(ValueError, match=rf"{kind} reads fields of 8x8 blocks, .* got field 'code' of 3 ordinal"):
            make(pixels)
        with pytest.raises(ValueError, match=rf"{kind} reads .*; got field 'luma' .*, cells \(1, 2\): name"):
            make(spec, fields=["cb", "luma"])
        with pytest.raises(ValueError, match=r"fields \['luma', 'cb', 'cr'\]; got 'y'"):
            make(spec, fields=["y"])
    with pytest.raises(ValueError, match="1, 2, 4 or 8 places along each axis; got factor=3"):
        InverseDCT(spec, 3)
    with pytest.raises(ValueError, match="per_frequency needs trainable=True"):
        InverseDCT(spec, per_frequency=True)
    with pytest.raises(ValueError, match="1 to 64 frequencies; got luma=65"):
        FrequencyNorm(spec, luma=65)
    with pytest.raises(MisconfigurationException, match=r"FrequencyNorm multiplies the levels of field 'luma' .*PCM\("):
        FrequencyNorm(spec).adapt([PCM()], spec, CodeStatistics(torch.zeros(256), torch.ones(256)))
    with pytest.raises(ValueError, match="whole MCUs of 16x16 pixels; got shape"):
        BlockDCT(PCM().spec((3, 24, 32)), "4:2:0")
    with pytest.raises(ValueError, match=r"must be one of \['4:4:4'.*got '4:2'"):
        BlockDCT(pixels, "4:2")
    with pytest.raises(ValueError, match="RGB pixels from 0 to 255; got"):
        BlockDCT(CodeSpec.uniform((3, 16, 16), 0, 15, ordinal=True))
    with pytest.raises(ValueError, match="divides height and width; got patch=3"):
        SpaceToDepth(PCM().spec((3, 32, 32)), 3)
