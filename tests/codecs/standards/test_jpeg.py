"""The codec against Pillow and simplejpeg, which run libjpeg-turbo."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import torch
from PIL import Image
from torchvision.io import decode_jpeg

from lossy_lightning.bitstream.jpeg import JPEGCoefficients, JPEGComponent, read_coefficients, write_coefficients
from lossy_lightning.codecs import JPEG, PCM, Decoded
from lossy_lightning.functional import quality_tables
from lossy_lightning.testing import check_codec

SUBSAMPLINGS = ["4:4:4", "4:2:2", "4:2:0"]
SIZES = [(1, 1), (2, 3), (5, 4), (8, 8), (9, 5), (16, 16), (17, 19), (24, 40), (33, 41), (67, 53)]


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def data_root() -> Path:
    if "LOSSY_DATA" not in os.environ:
        pytest.skip("LOSSY_DATA is not set")
    return Path(os.environ["LOSSY_DATA"])


def _tensor(image: Image.Image) -> torch.Tensor:
    array = np.array(image)
    return torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy())


def _pixels(data: bytes) -> torch.Tensor:
    return _tensor(Image.open(io.BytesIO(data)))


def _pillow(image: torch.Tensor, **options) -> bytes:
    buffer = io.BytesIO()
    array = image.movedim(0, -1).numpy()
    Image.fromarray(array[..., 0] if len(image) == 1 else array).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def _saturated(*shape: int) -> torch.Tensor:
    return _noise(*shape) // 128 * 255


def _smooth(channels: int, height: int, width: int) -> torch.Tensor:
    """Colour gradients with noise, much like a photo to a transform."""
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 5, width), indexing="ij")
    waves = torch.stack([128 + 100 * torch.sin(x + phase) * torch.cos(y * phase) for phase in range(channels)])
    return (waves + _noise(channels, height, width) / 16).clamp(0, 255).to(torch.uint8)


def _check_exact(image: torch.Tensor, data: bytes, codec: JPEG) -> None:
    code, shape = codec.read(data)
    assert shape == image.shape
    assert torch.equal(codec.encode(image), code)
    assert torch.equal(codec.decode(code, shape), _pixels(data))


@pytest.mark.parametrize("quality", [1, 10, 25, 50, 75, 90, 95, 100])
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_exact_at_any_size(quality, subsampling):
    codec = JPEG(quality, subsampling)
    for height, width in SIZES:
        for make in (_noise, _saturated, _smooth):
            image = make(3, height, width)
            _check_exact(image, _pillow(image, quality=quality, subsampling=subsampling), codec)
        grey = _smooth(1, height, width)
        _check_exact(grey, _pillow(grey, quality=quality), codec)


@pytest.mark.parametrize("quality", [10, 75, 100])
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_exact_on_photos(data_root, quality, subsampling):
    codec = JPEG(quality, subsampling)
    for path in sorted(data_root.glob("kodak/*.png"))[:2]:
        photo = _tensor(Image.open(path))
        _check_exact(
            photo[:, :333, :451], _pillow(photo[:, :333, :451], quality=quality, subsampling=subsampling), codec
        )


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_exact_on_small_photos(data_root, subsampling):
    images = torch.stack([_tensor(Image.open(path)) for path in sorted(data_root.glob("cifar10/test/*/*.png"))[::200]])
    codec = JPEG(75, subsampling)
    files = [_pillow(image, quality=75, subsampling=subsampling) for image in images]
    codes = codec.encode(images)
    assert torch.equal(codes, torch.stack([codec.read(data)[0] for data in files]))
    assert torch.equal(codec.decode(codes, (3, 32, 32)), torch.stack([_pixels(data) for data in files]))


@pytest.mark.parametrize(("subsampling", "name"), [("4:4:0", "440"), ("4:1:1", "411"), ("4:2:0", "420")])
def test_exact_where_pillow_has_no_such_subsampling(subsampling, name):
    codec = JPEG(97, subsampling)  # simplejpeg takes the accurate DCT above 95 only
    for height, width in SIZES:
        image = _smooth(3, height, width)
        array = np.ascontiguousarray(image.movedim(0, -1).numpy())
        _check_exact(image, simplejpeg.encode_jpeg(array, 97, colorsubsampling=name, fastdct=False), codec)


@pytest.mark.parametrize(
    ("codec", "channels"),
    [
        (JPEG(), 3),
        (JPEG(30, "4:2:2", dequantize=True), 3),
        (JPEG(90, "4:4:4", tables=True), 1),
        (JPEG(50, "4:4:0", True, True, True, quantization_tables=[[[7] * 8] * 8, [[11] * 8] * 8]), 3),
        (Decoded(JPEG(20)), 3),
    ],
    ids=["default", "dequantized", "grey", "all", "decoded"],
)
def test_contract(codec, channels):
    images = torch.stack([_smooth(channels, 19, 35), _noise(channels, 19, 35)])
    check_codec(codec, (channels, 19, 35), images)


def test_layout():
    image = torch.full((3, 16, 32), 128, dtype=torch.uint8)
    image[:, 8:, 16:24] += 40  # Y10 of the second MCU
    code = JPEG(100).encode(image)
    assert code.shape == (6 * 64, 1, 2)
    assert code.dtype == torch.int16
    assert code[[0, 64, 128, 192], 0, 1].tolist() == [0, 0, 320, 0]
    assert JPEG(50, "4:2:2").spec((3, 17, 17)).shape == (256, 3, 2)
    assert JPEG(50, "4:4:4").spec((3, None, None)).shape == (192, None, None)
    assert JPEG(50, tables=True).spec((1, 17, 17)).shape == (128, 3, 3)


def test_ranges():
    spec = JPEG(tables=True, dequantize=True).spec((3, 16, 16))
    assert (spec.low[0], spec.high[383], spec.low[384], spec.high[-1]) == (-2048, 2047, 1, 255)
    assert JPEG(3, dequantize=True).spec((3, 8, 8)) == JPEG(97, dequantize=True).spec((3, 8, 8))
    checkers = torch.arange(64).view(1, 8, 8) % 2 * 255
    for image in (checkers, 255 - checkers, checkers * 0, checkers * 0 + 255):
        for quality in (1, 50, 100):
            codec = JPEG(quality, dequantize=True)
            codec.spec((1, 8, 8)).check(codec.encode(image.to(torch.uint8)))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True, "restart_marker_blocks": 2}])
@pytest.mark.parametrize("kind", [{}, {"tables": True}, {"dequantize": True}])
def test_files_come_back_with_the_same_pixels(options, kind):
    data = _pillow(_smooth(3, 37, 45), quality=85, **options)
    codec = JPEG(85, **kind)
    code, shape = codec.read(data)
    again = codec.write(code, shape)
    assert torch.equal(_pixels(again), _pixels(data))
    assert torch.equal(codec.read(again)[0], code)


def test_every_sample_file_comes_back(data_root):
    paths = sorted(data_root.glob("imagenet_samples/**/*.[jJ]*"))
    assert paths
    kept = 0
    for path in paths[::4]:
        data = path.read_bytes()
        (h, v), *chroma = (component.sampling_factors for component in read_coefficients(data).components)
        (x, y) = chroma[0] if chroma else (h, v)
        subsampling = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0"}[h // x, v // y]
        codec = JPEG(chroma_subsampling=subsampling, tables=True)
        try:
            code, shape = codec.read(data)
        except ValueError as error:
            assert "holds 8-bit grey or YCbCr" in str(error)  # noqa: PT017
            continue
        kept += 1
        codec.spec(shape).check(code)
        pixels = _pixels(data)
        assert torch.equal(_pixels(codec.write(code, shape)), pixels)
        assert torch.equal(codec.decode(code, shape), pixels)
    assert kept >= len(paths[::4]) - 2


def test_other_tables():
    image = _smooth(3, 21, 30)
    data, want = _pillow(image, quality=40), JPEG(40).encode(image)
    with pytest.raises(ValueError, match="quantization tables are not those of JPEG"):
        JPEG(75).read(data)
    tables = quality_tables(40)[[0] * 4 + [1] * 2].reshape(-1, 1, 1)
    dequantized = JPEG(75, dequantize=True).read(data)[0]
    assert torch.equal(dequantized, (want * tables).to(torch.int16))
    carried = JPEG(75, tables=True).read(data)[0]
    assert torch.equal(carried[:384], want)
    assert torch.equal(carried[384:, 1, 1], quality_tables(40)[[0, 1, 1]].flatten().to(torch.int16))
    pixels = _pixels(data)
    for codec, code in ((JPEG(75, dequantize=True), dequantized), (JPEG(75, tables=True), carried)):
        assert torch.equal(codec.decode(code, (3, 21, 30)), pixels)
    own = quality_tables(75)[[0] * 4 + [1] * 2].reshape(-1, 1, 1)
    requantized = JPEG(75, requantize=True).read(data)[0]
    exact = (want * tables).double() / own
    assert torch.equal(requantized, (exact.abs() + 0.5).floor().mul(exact.sign()).to(torch.int16))
    assert torch.equal(JPEG(75, requantize=True).read(_pillow(image, quality=75))[0], JPEG(75).encode(image))


@pytest.mark.parametrize("arguments", [{}, {"tables": True}, {"quality": 10}, {"quality": 95}], ids=str)
@pytest.mark.parametrize("value", [2047, -2048, 2040, 1800])
def test_dequantized_codes_at_the_ends_of_their_range_are_read_again(arguments, value):
    codec = JPEG(dequantize=True, **arguments)
    code = codec.encode(torch.full((3, 16, 16), 128, dtype=torch.uint8))
    code[:384] = value
    got, shape = codec.read(codec.write(code, (3, 16, 16)))
    assert shape == (3, 16, 16)
    codec.spec(shape).check(got)
    steps = torch.cat([table.flatten().repeat(count) for table, count in zip(codec._tables, (4, 2), strict=True)])
    assert ((got[:384, 0, 0] - value).abs() <= steps).all()


def test_dequantized_codes_are_written_with_the_codecs_tables():
    codec = JPEG(60, dequantize=True)
    image = _smooth(3, 21, 30)
    stored = read_coefficients(codec.write(codec.encode(image), (3, 21, 30)))
    assert np.array_equal(stored.components[0].quantization_table, quality_tables(60)[0])
    assert np.array_equal(
        stored.components[0].coefficients, read_coefficients(_pillow(image, quality=60)).components[0].coefficients
    )


def test_custom_tables_are_pillows():
    tables = torch.randint(1, 256, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    image = _smooth(3, 40, 33)
    # Pillow takes tables in natural order.
    data = _pillow(image, qtables=[table.flatten().tolist() for table in tables], subsampling="4:2:0")
    _check_exact(image, data, JPEG(quantization_tables=tables))
    assert JPEG(quantization_tables=tables).fingerprint() != JPEG(quantization_tables=tables.flip(0)).fingerprint()
    assert torch.equal(
        JPEG(quantization_tables=tables.tolist()).encode(image), JPEG(quantization_tables=tables).encode(image)
    )


def test_codes_beyond_what_encoders_make_are_written():
    code = torch.zeros(64, 1, 1, dtype=torch.int16)
    code[5] = -1024
    assert torch.equal(JPEG().read(JPEG().write(code, (1, 8, 8)))[0], code)


def test_decoded_shows_libjpegs_pixels():
    images = torch.stack([_smooth(3, 37, 45), _noise(3, 37, 45)])
    want = torch.stack([_pixels(_pillow(image, quality=30)) for image in images])
    assert torch.equal(Decoded(JPEG(30)).encode(images), want)
    assert torch.equal(Decoded(JPEG(30), PCM()).encode(images[0]), want[0])
    data = JPEG(30).write(JPEG(30).encode(images[0]), (3, 37, 45))
    assert torch.equal(decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8)), want[0])


@pytest.mark.parametrize("quality", [1, 10, 50, 75, 95, 100])
@pytest.mark.parametrize("subsampling", [*SUBSAMPLINGS, "4:4:0", "4:1:1"])
def test_a_round_trip_is_encoding_and_decoding(quality, subsampling):
    codec = JPEG(quality, subsampling)
    for size in SIZES:
        for images in (_noise(2, 3, *size), _saturated(2, 3, *size), _smooth(3, *size)[None], _smooth(1, *size)):
            assert torch.equal(codec.round_trip(images), codec.decode(codec.encode(images), images.shape))


def test_a_round_trip_takes_any_codec_batch_and_memory():
    tables = torch.randint(1, 256, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    images = _noise(2, 3, 20, 30, 3).movedim(-1, -3)[..., 2:]
    for codec in (JPEG(quantization_tables=tables), JPEG(30, dequantize=True, tables=True, requantize=True)):
        want = codec.decode(codec.encode(images), images.shape)
        assert torch.equal(codec.round_trip(images), want)
        assert codec.round_trip(images[:0]).shape == images[:0].shape
        assert torch.equal(codec.round_trip(images[0, 0]), want[0, 0])
    with pytest.raises(ValueError, match="JPEG takes images"):
        JPEG().round_trip(images.float())


def test_whole_mcus_without_a_shape():
    codec = JPEG(50)
    assert codec.decode(codec.encode(_smooth(3, 17, 33))).shape == (3, 32, 48)
    assert codec.decode(codec.encode(_smooth(1, 17, 33))).shape == (1, 24, 40)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quality": 0}, "1 to 100"),
        ({"quality": "75"}, "a whole number from 1 to 100; got '75'"),
        ({"quality": 75.5}, "a whole number from 1 to 100; got 75.5"),
        ({"chroma_subsampling": "4:2:1"}, "one of .*4:2:0.*got '4:2:1'"),
        ({"quantization_tables": [[[0] * 8] * 8] * 2}, "1 to 255"),
        ({"quantization_tables": [[[1] * 8] * 8]}, "two 8 x 8"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        JPEG(**arguments)


@pytest.mark.parametrize("signal", [torch.zeros(3, 8, 8), _noise(8, 8), _noise(4, 8, 8)])
def test_bad_signals(signal):
    with pytest.raises(ValueError, match="JPEG takes images"):
        JPEG().encode(signal)


def test_bad_codes():
    codec = JPEG()
    code = codec.encode(_noise(2, 3, 16, 16))
    with pytest.raises(ValueError, match=r"\(\.\.\., 384, 2, 2\) are expected"):
        codec.decode(code, (3, 17, 17))
    with pytest.raises(ValueError, match="one code"):
        codec.write(code, (3, 16, 16))
    with pytest.raises(ValueError, match="384"):
        codec.decode(code[:, :100])


def test_other_layouts():
    cmyk = io.BytesIO()
    Image.fromarray(_noise(8, 8, 4).numpy(), mode="CMYK").save(cmyk, "JPEG")
    with pytest.raises(ValueError, match="8-bit CMYK: decode the file"):
        JPEG().read(cmyk.getvalue())
    with pytest.raises(ValueError, match=r"file has chroma subsampling 4:4:4, this codec 4:2:0, .*, or a codec of the"):
        JPEG().read(_pillow(_noise(3, 8, 8), quality=75, subsampling="4:4:4"))
    table = np.ones((8, 8), np.uint16)
    wild = JPEGComponent(np.full((1, 1, 8, 8), 1500, np.int16), table, (1, 1))
    data = write_coefficients(JPEGCoefficients(8, 8, "grey", (wild,)), optimize=True)
    with pytest.raises(ValueError, match="-1024 to 1023; the file has 1500 to 1500"):
        JPEG(100).read(data)


def test_equal_ratios_are_one_subsampling():
    """Some writers give all components of 4:4:4 the factors 2 x 2, and so an MCU of 16 x 16 pixels."""
    image = _smooth(3, 20, 21)
    stored = read_coefficients(_pillow(image, quality=75, subsampling="4:4:4"))
    pad = [np.pad(c.coefficients, ((0, 1), (0, 1), (0, 0), (0, 0))) for c in stored.components]
    components = (JPEGComponent(p, c.quantization_table, (2, 2)) for p, c in zip(pad, stored.components, strict=True))
    data = write_coefficients(JPEGCoefficients(21, 20, "YCbCr", tuple(components)))
    code, shape = JPEG(75, "4:4:4").read(data)
    assert torch.equal(code, JPEG(75, "4:4:4").encode(image))
    assert torch.equal(_pixels(JPEG(75, "4:4:4").write(code, shape)), _pixels(data))
