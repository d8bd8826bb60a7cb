"""Chroma brought from one subsampling to another, against the same done to decoded samples."""

import io

import numpy as np
import pytest
import simplejpeg
import torch
from PIL import Image
from scipy.fft import dctn, idctn

from lossy_lightning.bitstream.jpeg import JPEGCoefficients, JPEGComponent, read_coefficients, write_coefficients
from lossy_lightning.codecs import JPEG

FACTORS = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2)}


def file(subsampling, height=32, width=48, mode="RGB", quality=90):
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((width, height))
    if subsampling == "4:1:1":  # Pillow takes it for 4:2:0
        return simplejpeg.encode_jpeg(np.ascontiguousarray(small), quality, colorsubsampling="411", fastdct=False)
    buffer = io.BytesIO()
    small.convert(mode).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()


def brought(data, codec):
    """What a file holds after it was read in a codec's layout and written again."""
    return read_coefficients(codec.write(*codec.read(data)))


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
    data = file(have)
    luma, *chroma = brought(data, JPEG(chroma_subsampling=want, tables=True)).components
    before = read_coefficients(data).components
    assert np.array_equal(luma.coefficients, before[0].coefficients)
    assert np.array_equal(luma.quantization_table, before[0].quantization_table)
    assert luma.sampling_factors == FACTORS[want]
    for old, new in zip(before[1:], chroma, strict=True):
        exact = blocks(resampled(samples(old), FACTORS[have], FACTORS[want]))
        got = new.coefficients * new.quantization_table.astype(float)
        assert got.shape == exact.shape
        assert np.abs(got - exact).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("have", FACTORS)
@pytest.mark.parametrize("codec", [JPEG(90), JPEG(75, tables=True)], ids=repr)
def test_a_file_that_fits_is_read_as_it_is(have, codec):
    codec = JPEG(codec.quality, have, tables=codec.tables)
    before, after = read_coefficients(file(have)), brought(file(have), codec)
    for old, new in zip(before.components, after.components, strict=True):
        assert np.array_equal(old.coefficients, new.coefficients)
        assert np.array_equal(old.quantization_table, new.quantization_table)


@pytest.mark.parametrize("have", [*FACTORS, "4:1:1"])
@pytest.mark.parametrize("want", [*FACTORS, "4:4:0", "4:1:1"])
@pytest.mark.parametrize("size", [(1, 1), (9, 17), (33, 24), (40, 70)])
def test_any_size_gives_a_code_of_its_spec(have, want, size):
    codec = JPEG(chroma_subsampling=want, dequantize=True)
    code, shape = codec.read(file(have, *size))
    assert shape == (3, *size)
    codec.spec(shape).check(code)


@pytest.mark.parametrize("want", FACTORS)
def test_grey_gets_chroma_of_zeros_and_the_codecs_table(want):
    data = file("4:2:0", mode="L", height=24, width=40)
    codec = JPEG(90, want, tables=True)
    shape = (3, 24, 40)
    spec = codec.spec(shape)
    row = torch.empty(*spec.grid, spec.shape[0], dtype=torch.int16).movedim(-1, 0)
    assert codec.read_into([data], [row]) == [None]
    fields = spec.split(row)
    luma = fields["luma"].movedim(0, -1).unflatten(-1, (8, 8))
    assert np.array_equal(luma[:3, :5], read_coefficients(data).components[0].coefficients[:3, :5])
    assert not fields["cb"].any()
    assert not fields["cr"].any()
    table = next(iter(JPEG(90).steps().values())), JPEG(90).steps()["cb"]
    assert torch.equal(fields["luma_table"].flatten().float(), table[0])
    assert torch.equal(fields["cb_table"].flatten().float(), table[1])
    pixels = codec.decode(row, shape)
    assert torch.equal(pixels[0], pixels[1])
    assert torch.equal(pixels[0], pixels[2])


@pytest.mark.parametrize("have", [*FACTORS, "4:1:1"])
@pytest.mark.parametrize("want", [*FACTORS, "4:4:0", "4:1:1"])
def test_a_window_is_a_part_of_the_whole(have, want):
    data = file(have, 90, 150)
    for options in ({"dequantize": True}, {"tables": True}, {"requantize": True}):
        codec = JPEG(60, want, **options)
        whole, _ = codec.read(data)
        rng = np.random.default_rng(0)
        for _ in range(6):
            window = [slice(*sorted(rng.choice(size + 1, 2, replace=False).tolist())) for size in whole.shape[1:]]
            expected = whole[:, window[0], window[1]]
            row = torch.empty(*expected.shape[1:], len(whole), dtype=torch.int16).movedim(-1, 0)
            assert codec.read_into([data], [row], [window]) == [None]
            assert torch.equal(row, expected)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("have", FACTORS)
def test_chroma_beyond_16_bits_is_refused_or_cut_in_every_subsampling(have, sign):
    before = read_coefficients(file(have, quality=50))
    table = np.full((8, 8), 65535, np.uint16)
    chroma = [
        c._replace(coefficients=np.zeros_like(c.coefficients), quantization_table=table) for c in before.components[1:]
    ]
    for component in chroma:
        component.coefficients[..., 0, 0] = 2 * sign
    data = write_coefficients(before._replace(components=(before.components[0], *chroma)))
    for want in FACTORS:
        codec = JPEG(chroma_subsampling=want, dequantize=True)
        with pytest.raises(ValueError, match="levels of this codec range from -2048 to 2047"):
            codec.read(data)
        spec = codec.spec((3, 32, 48))
        row = torch.empty(*spec.grid, spec.shape[0], dtype=torch.int16).movedim(-1, 0)
        assert codec.read_into([data], [row]) == [None]
        assert spec.split(row)["cb"][0].eq(2047 if sign > 0 else -2048).all()
        spec.check(row)


def components(*factors):
    largest = [max(f[axis] for f in factors) for axis in (0, 1)]
    sizes = [(6 * v * 4 // largest[1], 6 * h * 4 // largest[0]) for h, v in factors]
    return tuple(
        JPEGComponent(np.zeros((*size, 8, 8), np.int16), np.ones((8, 8), np.uint16), f)
        for size, f in zip(sizes, factors, strict=True)
    )


@pytest.mark.parametrize(
    ("color_space", "factors", "message"),
    [
        ("RGB", [(1, 1)] * 3, "got 8-bit RGB"),
        ("CMYK", [(1, 1)] * 4, "got 8-bit CMYK"),
        ("YCbCr", [(3, 1), (1, 1), (1, 1)], "halving and doubling"),
        ("YCbCr", [(1, 1), (2, 1), (2, 1)], "finer than luma"),
    ],
)
def test_what_cannot_be_brought_to_a_layout_is_named(color_space, factors, message):
    data = write_coefficients(JPEGCoefficients(8 * 24, 8 * 24, color_space, components(*factors)))
    with pytest.raises(ValueError, match=message):
        JPEG(dequantize=True).read(data)
    (found,) = JPEG(dequantize=True).measure([data])
    assert isinstance(found, ValueError)
