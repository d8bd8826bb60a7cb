import math

import pytest
import torch

from lossy_lightning.codecs import MDCT, BandShapes, PyramidVQ, TransformCodec
from lossy_lightning.testing import check_codec

RATE = 16_000


def noise(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (5000 * torch.randn(shape, generator=generator)).clamp(-32768, 32767).to(torch.int16)


def test_contract():
    check_codec(TransformCodec(MDCT(32), BandShapes(32, RATE)), (2, 301), noise(2, 2, 301))


def test_pyramid_vectors_are_numbered():
    shapes = PyramidVQ(5, 3)
    found = shapes.search(torch.randn(20, 5, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(shapes.pulses_of(shapes.index(found)), found)
    assert shapes.bits == math.log2(shapes.size)


def test_fields_say_norm_and_direction():
    codec = BandShapes(64, RATE, bits=3.0, fine_bits=4)
    lines = MDCT(64)(noise(1, 2000))
    code = codec.encode(lines)
    parts = codec.spec((64, lines.shape[-1])).split(code)
    pulses, start = parts["pulses"].long(), 0
    assert sum(shape.dimensions for shape in codec.shapes) == 64
    for band, shape in enumerate(codec.shapes):
        own = slice(start, start + shape.dimensions)
        assert (pulses[own].abs().sum(0) == shape.pulses).all()
        norm = lines[own].square().sum(0).sqrt()
        told = parts["energies"][band] + (parts["fine"][band] + 0.5) / 16 - 0.5
        assert (told - norm.log2()).abs().max() <= 1 / 32 + 1e-4
        start += shape.dimensions
    found = codec.decode(code)
    cosine = (found * lines).sum() / found.norm() / lines.norm()
    assert cosine > 0.95


def test_more_bits_have_less_error_and_the_rate_tells_them():
    lines, errors, rates = MDCT(64)(noise(1, 4000)), [], []
    for bits in (0.5, 1.0, 2.0, 4.0):
        codec = BandShapes(64, RATE, bits)
        code = codec.encode(lines)
        errors.append(((codec.decode(code) - lines).norm() / lines.norm()).item())
        rates.append(codec.rate(code))
        assert sum(one.bits for one in codec.shapes) <= max(bits * 64, sum(math.log2(2 * n) for n in codec._widths))
    assert errors == sorted(errors, reverse=True)
    assert rates == sorted(rates)


def test_bits_without_end_take_the_most_pulses_that_have_numbers():
    assert [one.size < 2**63 for one in BandShapes(256, RATE, bits=1e9).shapes] == [True] * 17


def test_silence_is_silent():
    codec = TransformCodec(MDCT(64), BandShapes(64, RATE))
    silence = torch.zeros(1, 640, dtype=torch.int16)
    assert not codec.round_trip(silence).any()
    assert codec.quantizer.rate(codec.encode(silence)) == 0


def test_bands_are_those_of_celt():
    assert BandShapes(960, 48_000)._widths[:9] == [8] * 8 + [16]
    assert sum(BandShapes(960, 48_000)._widths[:20]) == 624  # 15.6 kHz
    for size in (4, 10, 256):
        assert min(BandShapes(size, RATE)._widths) >= 1
        assert sum(BandShapes(size, RATE)._widths) == size


def test_bad_input():
    with pytest.raises(ValueError, match=r"fewer than 2\*\*63 vectors, .* got dimensions=100"):
        PyramidVQ(100, 100)
    with pytest.raises(ValueError, match="take fewer pulses, or split the vector"):
        PyramidVQ(10**6, 10**6)  # at once
    with pytest.raises(ValueError, match="takes 4 to 4096 lines"):
        BandShapes(10**6, RATE)
    with pytest.raises(ValueError, match=r"up to 1048576 pulses; got dimensions=2"):
        PyramidVQ(2, 2**62)
    with pytest.raises(ValueError, match=r"vectors of whole numbers; got torch.float32"):
        PyramidVQ(3, 2).index(torch.tensor([1.0, 1.0, 0.0]))
    with pytest.raises(ValueError, match=r"vectors of whole numbers; got torch.float32"):
        PyramidVQ(3, 2).pulses_of(torch.tensor([1.5]))
    for arguments in ((0, 1), (3, 0), (3, 1.5)):
        with pytest.raises(ValueError, match="is a whole number of at least 1"):
            PyramidVQ(*arguments)
    with pytest.raises(ValueError, match=r"takes vectors \(\.\.\., 3\)"):
        PyramidVQ(3, 2).search(torch.ones(4))
    with pytest.raises(ValueError, match="NaN or infinite"):
        PyramidVQ(3, 2).search(torch.full((3,), float("nan")))
    with pytest.raises(ValueError, match=r"vectors have 2 pulses; got \[3\]"):
        PyramidVQ(3, 2).index(torch.tensor([1, 1, 1]))
    with pytest.raises(ValueError, match="from 0 to 17; got -1 to 5"):
        PyramidVQ(3, 2).pulses_of(torch.tensor([5, -1]))
    with pytest.raises(ValueError, match="one for each of 17 bands"):
        BandShapes(256, RATE, bits=[1.0, 2.0])
    with pytest.raises(ValueError, match="fine_bits"):
        BandShapes(256, RATE, fine_bits=5)
    with pytest.raises(ValueError, match="bits is a number"):
        BandShapes(256, RATE, bits=-1.0)
    with pytest.raises(ValueError, match=r"use MDCT\(64\)"):
        BandShapes(64, RATE).encode(torch.zeros(65, 3))
    with pytest.raises(ValueError, match="finite float32 lines"):
        BandShapes(64, RATE).encode(torch.full((64, 3), float("inf")))
