import multiprocessing
import pickle
import struct
import zlib
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lossy_lightning.codecs import Factorized, Hyperprior
from lossy_lightning.codecs.learned._densities import SCALES, FactorizedDensity, normal_steps, normal_table
from lossy_lightning.codecs.learned._integer_network import IntegerNetwork
from lossy_lightning.codecs.learned._range_coding import RangeReader, RangeWriter, least_bits, whole_table
from lossy_lightning.core import CodeSpec, Field, InputError
from lossy_lightning.nn import GDNDecoder, GDNEncoder, WaveletDecoder, WaveletEncoder
from lossy_lightning.testing import check_codec


def factorized(dimensions=2, channels=3):
    return made(Factorized, dimensions, channels)


def hyperprior(dimensions=2, channels=3):
    return made(partial(Hyperprior, hyper_dim=5), dimensions, channels)


def made(kind, dimensions, channels):
    """A codec whose latents are large enough to be coded, as if it had been trained."""
    torch.manual_seed(0)
    encoder = GDNEncoder(6, [8], channels, dimensions)
    with torch.no_grad():
        encoder[-1].weight.mul_(20)
    codec = kind(encoder, GDNDecoder(6, [8], channels, dimensions), dim=6, channels=channels)
    codec.update_tables()
    return codec


def images(count=3, size=(40, 33), channels=3):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, channels, *size), dtype=torch.uint8, generator=generator)


def linear_analysis():
    """In float32."""
    torch.manual_seed(0)
    return Factorized(WaveletEncoder(12), WaveletDecoder(12), dim=12, exact=False)


KINDS = pytest.mark.parametrize("make", [factorized, hyperprior])


@pytest.mark.parametrize("make", [factorized, hyperprior, linear_analysis])
def test_contract(make):
    check_codec(make(), (3, 21, 18))


@KINDS
def test_contract_of_sounds(make):
    codec = make(dimensions=1, channels=1)
    check_codec(codec, (1, 70))
    assert codec.encode(torch.zeros(1, 70, dtype=torch.int16)).dtype == torch.int8


def test_what_is_not_exact_is_as_good_but_for_rounding():
    codec, image = linear_analysis(), images(size=(40, 32))
    exact = Factorized(codec.encoder, codec.decoder, dim=12)
    moved = (codec.encode(image).int() - exact.encode(image).int()).abs()
    assert moved.max() <= 1
    assert moved.sum() < 10


def test_fields():
    latents = Field("latents", (-127,) * 6, (127,) * 6, ordinal=True)
    assert factorized().spec((3, 40, 33)) == CodeSpec([latents], (10, 9))
    spec = hyperprior().spec((3, 40, None))
    assert [(field.name, len(field.low), field.cells) for field in spec.fields] == [
        ("latents", 6, (4, 4)),
        ("hyper_latents", 5, ()),
    ]
    assert spec.grid == (3, None)


@KINDS
def test_a_code_is_the_encoder_s_latents_rounded(make):
    codec, image = make(), images(size=(32, 48))
    unit = image.double() / 127.5 - 1
    latents = codec.encoder.double()(unit)
    found = codec.spec((3, 32, 48)).split(codec.encode(image))["latents"]
    assert torch.equal(found, latents.round().clamp(-127, 127).to(torch.int8))
    assert found.unique().numel() > 5


@KINDS
def test_files_spend_the_bits_that_training_sees(make):
    codec, image = make().eval(), images(2, (128, 128))
    with torch.no_grad():
        told = codec(image).bits
    for one, bits in zip(image, told, strict=True):
        spent = 8 * (len(codec.write(codec.encode(one), (3, 128, 128))) - 14 - 3 * 4 - 4)
        assert spent == pytest.approx(float(bits), rel=0.02)


def test_a_hyperprior_knows_where_latents_are_large():
    codec = hyperprior()
    spread = codec._scales(torch.zeros(5, 2, 2)).float()
    assert spread.shape == (6, 8, 8)
    other = codec._scales(torch.full((5, 2, 2), 40)).float()
    assert not torch.equal(spread, other)


def read_elsewhere(pickled, data, threads, queue):
    torch.set_num_threads(threads)
    codec = pickle.loads(pickled)
    queue.put([codec.read(each)[0].numpy() for each in data])


@pytest.mark.parametrize("threads", [1, 3])
def test_another_process_and_number_of_threads_read_the_same(threads):
    codec = hyperprior()
    codes = codec.encode(images(2, (96, 80)))
    data = [codec.write(code, (3, 96, 80)) for code in codes]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=read_elsewhere, args=(pickle.dumps(codec), data, threads, queue))
    process.start()
    found = queue.get(timeout=60)
    process.join()
    assert np.array_equal(np.stack(found), codes.numpy())


def test_training_passes_gradients_to_every_parameter():
    for codec in (factorized(), hyperprior()):
        codec.train()
        compressed = codec(images(2, (32, 32)))
        (compressed.bits.sum() + compressed.reconstruction.square().sum()).backward()
        for name, parameter in codec.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
        assert compressed.reconstruction.shape == (2, 3, 32, 32)


# Whole numbers.


@pytest.mark.parametrize("dimensions", [1, 2])
def test_an_integer_network_computes_in_integers(dimensions):
    torch.manual_seed(3)
    network = IntegerNetwork(4, [6], 3, 63, dimensions)
    x = torch.randint(-127, 128, (2, 4, *(5, 4)[:dimensions]))
    found = network(x)
    expected = x
    for layer, limit in zip(network.layers, network.limits, strict=True):
        step = layer.weight.double().abs().amax((0, *range(2, layer.weight.ndim))).clamp(min=2.0**-16) / 127
        multiplier = (step * 2**16).ceil().long().view(1, -1, *[1] * dimensions)
        # All in int64, which torch convolves by itself, without a library.
        weight = torch.floor(layer.weight.double() * 2**16 / multiplier + 0.5).long() * multiplier
        bias = torch.floor(layer.bias.double() * 2**16 + 0.5).long()
        convolved = transposed(expected, weight) + bias.view(1, -1, *[1] * dimensions)
        expected = torch.clamp((convolved + 2**15) >> 16, 0, limit)
    assert torch.equal(found, expected.double())
    assert found.unique().numel() > 3
    assert torch.equal(network(x[1:])[0], found[1])


def transposed(x, weight):
    """A transposed convolution (stride 2, padding 2, output padding 1) by adding up what each input gives."""
    dimensions = x.ndim - 2
    out = torch.zeros(len(x), weight.shape[1], *[2 * size + 4 for size in x.shape[2:]], dtype=torch.int64)
    for tap in np.ndindex(*weight.shape[2:]):
        part = torch.einsum("ni...,io->no...", x, weight[(slice(None), slice(None), *tap)])
        out[(slice(None), slice(None), *(slice(i, i + 2 * n, 2) for i, n in zip(tap, x.shape[2:], strict=True)))] += (
            part
        )
    return out[(slice(None), slice(None), *(slice(2, 2 + 2 * size) for size in x.shape[2 : 2 + dimensions]))]


def test_an_integer_network_can_leave_its_bounds_again():
    network = IntegerNetwork(2, [3], 2, 63, 2)
    nn.init.constant_(network.layers[-1].bias, -50.0)
    (-network(torch.ones(1, 2, 2, 2)).sum()).backward()
    assert (network.layers[-1].bias.grad < 0).all()


# Densities and tables.


def test_a_density_s_steps_add_up_to_one_and_are_those_of_its_table():
    torch.manual_seed(0)
    density = FactorizedDensity(3)
    with torch.no_grad():
        for factor in density.factors:
            factor.normal_()
    values = torch.arange(-127, 128, dtype=torch.float32).expand(1, 3, -1)
    steps = density(values)[0].double()
    table = density.table(127)
    torch.testing.assert_close(table.sum(1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(steps[:, 1:-1], table[:, 1:-1].clamp(min=2**-20), atol=1e-6, rtol=1e-3)
    assert (steps > 0).all()


def test_normal_steps_are_those_of_scipy():
    from scipy.stats import norm

    values = torch.arange(-127, 128, dtype=torch.float64)
    scale = float(SCALES[40])
    expected = norm.cdf(values.numpy() + 0.5, scale=scale) - norm.cdf(values.numpy() - 0.5, scale=scale)
    found = normal_steps(values, torch.tensor(scale, dtype=torch.float64)).numpy()
    assert np.allclose(found, np.maximum(expected, 2**-20), atol=1e-12)
    assert np.allclose(normal_table(127)[40, 1:-1], expected[1:-1], atol=1e-12)
    assert float(SCALES[0]) == pytest.approx(0.11)


def test_whole_tables_add_up():
    table = whole_table(normal_table(127))
    assert table.dtype == torch.int32
    assert (table >= 1).all()
    assert (table.sum(1) == 2**20).all()


@given(st.data())
def test_what_is_written_is_read(data):
    tables = whole_table(normal_table(127))
    count = data.draw(st.integers(0, 40))
    values = torch.tensor(
        data.draw(st.lists(st.integers(-127, 127), min_size=count, max_size=count)), dtype=torch.int32
    )
    which = torch.tensor(data.draw(st.lists(st.integers(0, 63), min_size=count, max_size=count)), dtype=torch.int64)
    writer = RangeWriter()
    writer.write(values, which, tables, 127)
    assert torch.equal(RangeReader(writer.data()).read(which, tables, 127), values)


# Files that are broken or of another.

CODEC = hyperprior()
FILE = CODEC.write(CODEC.encode(images(1))[0], (3, 40, 33))


@given(st.binary(max_size=80))
def test_other_bytes_are_refused(data):
    with pytest.raises(ValueError, match="no file of a learned codec"):
        CODEC.read(data)


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused(place, change):
    data = bytearray(FILE)
    data[place] ^= change
    with pytest.raises(ValueError, match=r"no file of|version|cut off or damaged|multiple of"):
        CODEC.read(bytes(data))


@given(st.integers(0, len(FILE) - 1))
def test_a_cut_file_is_refused(length):
    with pytest.raises(ValueError, match=r"no file of|cut off or damaged"):
        CODEC.read(FILE[:length])


def sealed(body):
    return body + struct.pack("<I", zlib.crc32(body))


@given(st.binary(max_size=60))
def test_values_under_a_right_checksum_are_read_or_refused(values):
    try:
        code, shape = CODEC.read(sealed(FILE[:14] + struct.pack("<3I", 3, 5, 4) + values))
    except ValueError:
        return
    CODEC.spec(shape).check(code)


@pytest.mark.parametrize("shape", [(3, 0, 4), (3, 2**31, 2**31), (3, 2**20, 2**20)])
def test_sizes_that_no_signal_has_take_no_memory(shape):
    with pytest.raises(ValueError, match="tells a signal of shape"):
        CODEC.read(sealed(FILE[:14] + struct.pack("<3I", *shape) + FILE[26:-4]))


@KINDS
@pytest.mark.parametrize("shape", [(3, 1, 2**26), (3, 2**26, 1), (3, 5000, 5000)])
def test_a_file_that_tells_more_values_than_it_holds_takes_no_memory(make, shape, monkeypatch):
    codec = make()
    data = codec.write(codec.encode(images(1))[0], (3, 40, 33))
    monkeypatch.setattr(RangeReader, "read", None)
    large = sealed(data[:14] + struct.pack("<3I", *shape) + data[26:-4])
    with pytest.raises(ValueError, match=r"tells a signal of shape .* takes \d+ bytes at least; it holds \d+"):
        codec.read(large)
    assert all(isinstance(info, ValueError) for info in codec.measure([large]))


@pytest.mark.parametrize("row", [0, 10, 40, 63])
@pytest.mark.parametrize("count", [0, 1, 1000, 10**6])
def test_no_values_take_less_than_the_least_bits(row, count):
    tables = whole_table(normal_table(127))
    writer = RangeWriter()
    likely = int(tables[row].argmax()) - 127
    writer.write(torch.full((count,), likely), torch.full((count,), row), tables, 127)
    bits = 8 * len(writer.data())
    assert count * float(least_bits(tables)[row]) <= bits <= 1.01 * count * float(least_bits(tables)[row]) + 256


@KINDS
def test_a_flat_picture_s_file_is_read(make):
    codec = make()
    code = torch.zeros(codec.spec((3, 1, 4000)).shape, dtype=torch.int8)
    assert torch.equal(codec.read(codec.write(code, (3, 1, 4000)))[0], code)


@KINDS
def test_a_batch_is_no_file(make):
    codec = make()
    with pytest.raises(
        ValueError, match=r"a file holds one code of shape .*; got \(2, .*: write those of a batch one by"
    ):
        codec.write(codec.encode(images(2)), (3, 40, 33))


def test_the_file_of_another_codec_is_refused():
    other = hyperprior()
    with torch.no_grad():
        other.decoder[0].bias.add_(1)
    with pytest.raises(ValueError, match="another codec wrote this file, or this one before it was trained further"):
        other.read(FILE)


# Networks and codecs that were made for others.


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("kind", "encoder", "decoder", "dim", "message"),
    [
        (
            Factorized,
            GDNEncoder(12, [16]),
            GDNDecoder(12, [16, 16]),
            12,
            r"decoder makes \(3, 80, 104\).*not \(3, 40, 52\)",
        ),
        (
            Factorized,
            GDNEncoder(12, [16]),
            GDNDecoder(12, [16], 1),
            12,
            r"decoder makes \(1, 40, 52\).*not \(3, 40, 52\)",
        ),
        (Factorized, GDNEncoder(12, [16]), GDNDecoder(12, [16]), 7, r"encoder makes \(12, 10, 13\).*not \(7, 10, 13\)"),
        (
            Hyperprior,
            GDNEncoder(12, [16]),
            GDNDecoder(13, [16]),
            13,
            r"encoder makes \(12, 12, 16\).*not \(13, 12, 16\)",
        ),
        (Factorized, GDNEncoder(12, [16]), GDNDecoder(5, [16]), 12, r"decoder does not take \(12, 10, 13\).*: Given"),
        (
            Factorized,
            GDNEncoder(12, [16], 1),
            GDNDecoder(12, [16]),
            12,
            r"encoder does not take \(3, 40, 52\).*: Given",
        ),
    ],
)
def test_networks_that_do_not_go_together_are_told(kind, encoder, decoder, dim, message, exact):
    codec, signal = kind(encoder, decoder, dim=dim, exact=exact), images(2, (38, 50))
    with pytest.raises(InputError, match=message):
        codec(signal)
    with pytest.raises(InputError, match=f"{message}.*; make encoder, decoder and codec for the same channels"):
        codec.round_trip(signal)


def test_what_is_no_code_is_not_decoded():
    codec = factorized()
    code = codec.encode(images(2))
    with pytest.raises(ValueError, match="ranges from -127 to 127; got -10"):
        codec.decode(code.short() - 10000)
    with pytest.raises(ValueError, match="a code is of an integer dtype; got"):
        codec.decode(code.float())
    with pytest.raises(ValueError, match=r"sizes \(40, 36\) is cropped to at most these; got \(40, 370\)"):
        codec.decode(code, (3, 40, 370))


@pytest.mark.parametrize("shape", [(3, 0, 7), (3, -5, 7)])
def test_signals_have_samples(shape):
    with pytest.raises(ValueError, match="has one or more samples along each axis; got sizes"):
        factorized().spec(shape)
    if min(shape) == 0:
        with pytest.raises(ValueError, match="has one or more samples along each axis; got sizes"):
            factorized().encode(torch.zeros(2, *shape, dtype=torch.uint8))


def test_mistakes():
    with pytest.raises(ValueError, match="exact is true or false; got 'no'"):
        Factorized(GDNEncoder(6), GDNDecoder(6), dim=6, exact="no")
    with pytest.raises(ValueError, match=r"the encoder of a Factorized tells the samples of a cell"):
        Factorized(nn.Identity(), GDNDecoder(6), dim=6)
    with pytest.raises(ValueError, match="hyper_dim is a whole number"):
        Hyperprior(GDNEncoder(6), GDNDecoder(6), dim=6, hyper_dim=0)
    with pytest.raises(ValueError, match=r"takes signals \(\.\.\., 3, \*size\) with 2 sizes, of torch.uint8"):
        factorized().encode(torch.zeros(1, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"takes signals \(3, \*size\) with 2 sizes; got shape \(1, 8\)"):
        factorized().spec((1, 8))
    with pytest.raises(ValueError, match="there is no checkpoint"):
        Factorized.from_checkpoint("none.ckpt")
