"""Chroma brought from one subsampling to another, against the same done to decoded samples."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn, idctn

from lossy_lightning.bitstream.jpeg import JPEGCoefficients, JPEGComponent, read_coefficients
from lossy_lightning.codecs import JPEG
from lossy_lightning.codecs.standards._subsampling import with_subsampling

FACTORS = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2)}
TABLE = torch.full((8, 8), 3, dtype=torch.int32)


def image(subsampling, height=32, width=48, mode="RGB", quality=90):
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((width, height))
    buffer = io.BytesIO()
    small.convert(mode).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return read_coefficients(buffer.getvalue())


def samples(component):
    """Float samples of a component, decoded by SciPy."""
    blocks = idctn(component.coefficients * component.quantization_table.astype(float), axes=(2, 3), norm="ortho")
    rows, columns = blocks.shape[:2]
    return blocks.transpose(0, 2, 1, 3).reshape(8 * rows, 8 * columns)


def blocks(samples):
    rows, columns = (size // 8 for size in samples.shape)
    return dctn(samples.reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3), axes=(2, 3), norm="ortho")


def resampled(plane, have, want):
    """Samples averaged or repeated along the width and the height."""
    for axis, got, wanted in ((1, have[0], want[0]), (0, have[1], want[1])):
        if got < wanted:
            first, second = (plane.take(range(start, plane.shape[axis], 2), axis) for start in (0, 1))
            plane = (first + second) / 2
        elif got > wanted:
            plane = plane.repeat(2, axis)
    return plane


@pytest.mark.parametrize("have", FACTORS)
@pytest.mark.parametrize("want", FACTORS)
def test_chroma_is_averaged_or_repeated_and_luma_stays(have, want):
    before = image(have)
    after = with_subsampling(before, FACTORS[want], TABLE)
    luma, *chroma = after.components
    assert np.array_equal(luma.coefficients, before.components[0].coefficients)
    assert np.array_equal(luma.quantization_table, before.components[0].quantization_table)
    assert luma.sampling_factors == FACTORS[want]
    for old, new in zip(before.components[1:], chroma, strict=True):
        exact = blocks(resampled(samples(old), FACTORS[have], FACTORS[want]))
        got = new.coefficients * new.quantization_table.astype(float)
        assert got.shape == exact.shape
        assert np.abs(got - exact).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("have", FACTORS)
def test_an_image_that_fits_is_returned_as_it_is(have):
    before = image(have)
    assert with_subsampling(before, FACTORS[have], TABLE) is before
    assert JPEG(90, have).with_layout(before) is before


@pytest.mark.parametrize("have", FACTORS)
@pytest.mark.parametrize("want", [*FACTORS, "4:4:0", "4:1:1"])
@pytest.mark.parametrize("size", [(1, 1), (9, 17), (33, 24), (40, 70)])
def test_any_size_gives_a_code_of_its_spec(have, want, size):
    codec = JPEG(chroma_subsampling=want, dequantize=True)
    code, shape = codec.from_coefficients(codec.with_layout(image(have, *size)))
    assert shape == (3, *size)
    codec.spec(shape).check(code)


@pytest.mark.parametrize("want", FACTORS)
def test_grey_gets_chroma_of_zeros_and_the_given_table(want):
    before = image("4:2:0", mode="L", height=24, width=40)
    luma, *chroma = with_subsampling(before, FACTORS[want], TABLE).components
    assert np.array_equal(luma.coefficients[:3, :5], before.components[0].coefficients[:3, :5])
    for component in chroma:
        assert not component.coefficients.any()
        assert np.array_equal(component.quantization_table, TABLE)
    codec = JPEG(90, want)
    code, shape = codec.from_coefficients(codec.with_layout(before))
    pixels = codec.decode(code, shape)
    assert torch.equal(pixels[0], pixels[1])
    assert torch.equal(pixels[0], pixels[2])


def components(*factors):
    return tuple(JPEGComponent(np.zeros((6, 6, 8, 8), np.int16), np.ones((8, 8), np.uint16), f) for f in factors)


@pytest.mark.parametrize(
    ("color_space", "factors", "message"),
    [
        ("RGB", [(1, 1)] * 3, "got RGB"),
        ("CMYK", [(1, 1)] * 4, "got CMYK"),
        ("YCbCr", [(3, 1), (1, 1), (1, 1)], "halving and doubling"),
        ("YCbCr", [(1, 1), (2, 1), (2, 1)], "finer than luma"),
    ],
)
def test_what_cannot_be_brought_to_a_layout_is_named(color_space, factors, message):
    with pytest.raises(ValueError, match=message):
        with_subsampling(JPEGCoefficients(48, 48, color_space, components(*factors)), (2, 2), TABLE)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("have", FACTORS)
def test_chroma_beyond_16_bits_is_refused_in_every_subsampling(have, sign):
    before = image(have, quality=50)
    table = np.full((8, 8), 65535, np.uint16)
    chroma = [
        c._replace(coefficients=np.zeros_like(c.coefficients), quantization_table=table) for c in before.components[1:]
    ]
    for component in chroma:
        component.coefficients[..., 0, 0] = 2 * sign
    before = before._replace(components=(before.components[0], *chroma))
    for want, factors in FACTORS.items():
        after = with_subsampling(before, factors, TABLE).components[1]
        if have != want:
            assert (after.coefficients[..., 0, 0] == (2**15 - 1 if sign > 0 else -(2**15))).all()
        codec = JPEG(chroma_subsampling=want, dequantize=True)
        changed = codec.with_layout(before)
        with pytest.raises(ValueError, match="levels of this codec range from -2048 to 2047"):
            codec.from_coefficients(changed)
