"""The JPEG reader against libjpeg, bit for bit; broken files; the writer."""

import io
import itertools
import math
import os
import random
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lossy_lightning.bitstream import _memory
from lossy_lightning.bitstream.jpeg import (
    JPEGCoefficients,
    JPEGComponent,
    read_coefficients,
    read_coefficients_batch,
    write_coefficients,
)

from .jpeg_files import Libjpeg, encode, picture, replace

NEVER_BY_LIBJPEG = {"monkey12.jpg", "mjpeg.jpg", "testimgari.jpg"}  # 12 bits, no Huffman tables, arithmetic


def data_files(folder: str, pattern: str) -> list[Path]:
    root = os.environ.get("LOSSY_DATA")
    if root is None or not (Path(root) / folder).exists():
        pytest.skip(f"needs {folder} under $LOSSY_DATA")
    return sorted(path for path in (Path(root) / folder).rglob(pattern) if path.name not in NEVER_BY_LIBJPEG)


def assert_equals_libjpeg(paths: Sequence[Path], libjpeg: Libjpeg) -> None:
    ours = read_coefficients_batch([path.read_bytes() for path in paths])
    for path, image, planes in zip(paths, ours, libjpeg(paths), strict=True):
        assert len(planes) == len(image.components), path
        for component, (values, table) in zip(image.components, planes, strict=True):
            rows, columns = values.shape[:2]
            np.testing.assert_array_equal(component.coefficients[:rows, :columns], values, err_msg=str(path))
            np.testing.assert_array_equal(component.quantization_table, table, err_msg=str(path))


SIZES = list(zip((1, 8, 9, 16, 17, 33, 67, 2, 31, 48, 5), (1, 8, 7, 16, 33, 15, 53, 64, 31, 1, 40), strict=True))


def make_files(folder: Path, qualities: Sequence[int]) -> list[Path]:
    """Files of all qualities, subsamplings and entropy codings, sizes in turn."""
    sizes = itertools.cycle(SIZES)
    codings: list[dict[str, object]] = [{}, {"optimize": True}, {"progressive": True}, {"restart_marker_blocks": 3}]
    paths = []
    for quality, subsampling, coding in itertools.product(qualities, ("4:4:4", "4:2:2", "4:2:0"), codings):
        mode = ("RGB", "RGB", "L", "CMYK")[len(paths) % 4]
        image = picture(*next(sizes), seed=len(paths), mode=mode)
        paths.append(folder / f"{len(paths)}.jpg")
        paths[-1].write_bytes(encode(image, quality=quality, subsampling=subsampling, **coding))
    return paths


def test_files_made_by_pillow(tmp_path: Path, libjpeg: Libjpeg) -> None:
    assert_equals_libjpeg(make_files(tmp_path, (1, 10, 50, 75, 92, 100)), libjpeg)


@pytest.mark.slow
def test_files_made_by_pillow_at_every_quality(tmp_path: Path, libjpeg: Libjpeg) -> None:
    assert_equals_libjpeg(make_files(tmp_path, range(1, 101)), libjpeg)


@pytest.mark.parametrize(("folder", "pattern"), [("jpeg_conformance", "*.jpg"), ("imagenet_samples", "*.JPEG")])
def test_real_files(folder: str, pattern: str, libjpeg: Libjpeg) -> None:
    assert_equals_libjpeg(data_files(folder, pattern), libjpeg)


@pytest.mark.slow
def test_imagenette(libjpeg: Libjpeg) -> None:
    assert_equals_libjpeg(data_files("imagenette224", "*.JPEG") + data_files("imagenette224", "*.jpg"), libjpeg)


def grey_pixels(image: JPEGCoefficients) -> np.ndarray:
    """Samples of the first component, straight from the definition (T.81 A.3.3)."""
    k, n = np.arange(8)[:, None], np.arange(8)[None, :]
    basis = np.cos((2 * n + 1) * k * np.pi / 16) * np.where(k == 0, np.sqrt(1 / 8), 1 / 2)
    component = image.components[0]
    blocks = component.coefficients * component.quantization_table.astype(float)
    samples = np.einsum("rcvu,vy,ux->rycx", blocks, basis, basis) + 2 ** (image.precision - 1)
    rows, columns = component.coefficients.shape[:2]
    return samples.reshape(8 * rows, 8 * columns)[: image.height, : image.width].clip(0, 2**image.precision - 1)


def test_twelve_bit_samples_and_missing_huffman_tables() -> None:
    """Where libjpeg gives no coefficients: the luma that the reference images hold."""
    root = data_files("jpeg_conformance", "README.md")[0].parent
    frame = read_coefficients((root / "mjpeg.jpg").read_bytes())
    expected = np.asarray(Image.open(root / "mjpeg.png").convert("RGB")) @ (0.299, 0.587, 0.114)
    assert np.abs(grey_pixels(frame) - expected).mean() < 1
    twelve = read_coefficients((root / "libjpeg-turbo" / "monkey12.jpg").read_bytes())
    assert twelve.precision == 12
    again = read_coefficients(write_coefficients(twelve))
    for one, other in zip(twelve.components, again.components, strict=True):
        np.testing.assert_array_equal(one.coefficients, other.coefficients)
    reference = (root / "libjpeg-turbo" / "monkey16.pgm").read_bytes()
    samples = np.frombuffer(reference, ">u2", offset=len(reference) - 2 * twelve.width * twelve.height)
    luma = grey_pixels(twelve) / 4095
    scale = 4095 if samples.max() < 4096 else 65535
    assert np.abs(luma - samples.reshape(luma.shape) / scale).mean() < 0.01


@pytest.mark.parametrize(
    ("mode", "options", "color_space", "factors"),
    [
        ("L", {}, "grey", [(1, 1)]),
        ("RGB", {"subsampling": "4:2:0"}, "YCbCr", [(2, 2), (1, 1), (1, 1)]),
        ("RGB", {"subsampling": "4:2:2"}, "YCbCr", [(2, 1), (1, 1), (1, 1)]),
        ("RGB", {"keep_rgb": True}, "RGB", [(1, 1)] * 3),
        ("CMYK", {}, "CMYK", [(1, 1)] * 4),
    ],
)
def test_describes_the_image(mode: str, options: dict, color_space: str, factors: list[tuple[int, int]]) -> None:
    image = read_coefficients(encode(picture(20, 11, mode=mode), **options))
    assert (image.width, image.height, image.color_space, image.precision) == (20, 11, color_space, 8)
    assert [component.sampling_factors for component in image.components] == factors


def test_batch_equals_single_files_over_threads() -> None:
    # Some consecutive files have the same tables, the size or both.
    files = [
        encode(picture(9 + i // 2, 40 - i // 2, seed=i), quality=30 * (i % 8 // 3) + 9, progressive=i % 3 == 0)
        for i in range(19)
    ]
    single = [read_coefficients(data) for data in files]
    for num_threads in (1, 2, 5, 30):
        batch = read_coefficients_batch(files, num_threads=num_threads)
        for one, other in zip(single, batch, strict=True):
            assert repr(one) == repr(other)
            for a, b in zip(one.components, other.components, strict=True):
                np.testing.assert_array_equal(a.coefficients, b.coefficients)
                np.testing.assert_array_equal(a.quantization_table, b.quantization_table)
    assert read_coefficients_batch([]) == []
    with pytest.raises(ValueError, match=r"file 4 of the batch: .* at byte"):
        read_coefficients_batch([*files[:4], files[4][:-60], *files[5:]], num_threads=2)


def test_a_forked_child_reads_with_threads_of_its_own() -> None:
    code = (
        "import io, multiprocessing, threading; import numpy as np; from PIL import Image;"
        "from lossy_lightning.bitstream.jpeg import read_coefficients_batch;"
        "buffer = io.BytesIO(); Image.fromarray(np.eye(400, dtype=np.uint8)).save(buffer, 'JPEG', quality=100);"
        "files = 40 * [buffer.getvalue()];"
        "read = lambda: print(len(read_coefficients_batch(files, 2)), threading.active_count(), flush=True);"
        "read(); child = multiprocessing.get_context('fork').Process(target=read);"
        "child.start(); child.join(60); read(); raise SystemExit(child.exitcode)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stdout) == (0, "40 2\n40 2\n40 2\n"), result.stderr


def test_memory_is_used_again_only_when_nobody_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # What other tests left may fill all that is kept.
    monkeypatch.setattr(_memory, "_idle_arrays", [[] for _ in _memory._idle_arrays])
    files = [encode(picture(400, 300, seed), quality=90) for seed in range(3)]

    def first_block() -> np.ndarray:
        return read_coefficients_batch(files[:2])[1].components[0].coefficients[0, :1]

    held = first_block()
    expected, address = held.copy(), held.ctypes.data
    for _ in range(3):
        others = read_coefficients_batch(files[1:])
        np.testing.assert_array_equal(held, expected)
    del held, others
    assert address in {block.ctypes.data for block in [first_block() for _ in range(3)]}


def test_memory_that_is_kept_makes_room_for_other_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory, "_idle_arrays", [[] for _ in _memory._idle_arrays])
    for size in (2**25, 2**20, 2**25 - 2**20, 2**18):
        _memory.empty_coefficients(size)  # nobody holds it
    kept = [len(arrays) << power for power, arrays in enumerate(_memory._idle_arrays)]
    assert kept[18] > 0
    assert sum(kept) <= 2**25


def test_many_tables_in_one_batch() -> None:
    """More Huffman tables than are kept at a time."""
    files = [encode(picture(50, 30, seed=i, mode="L"), quality=40 + i, optimize=True) for i in range(30)]
    for data, image in zip(files, read_coefficients_batch(files), strict=True):
        assert np.abs(grey_pixels(image) - np.asarray(Image.open(io.BytesIO(data)))).max() < 1.5


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("restart_interval", [0, 1, 7])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_written_files_have_the_same_pixels(mode: str, restart_interval: int, optimize: bool) -> None:
    for (width, height), subsampling in zip(SIZES, itertools.cycle(("4:2:0", "4:4:4", "4:2:2"))):
        data = encode(picture(width, height, mode=mode), quality=90, subsampling=subsampling, progressive=True)
        again = write_coefficients(read_coefficients(data), optimize=optimize, restart_interval=restart_interval)
        assert np.array_equal(Image.open(io.BytesIO(data)), Image.open(io.BytesIO(again)))


def random_image(
    factors: Sequence[tuple[int, int]],
    color_space: str,
    precision: int,
    seed: int = 0,
    size: tuple[int, int] = (45, 38),
) -> JPEGCoefficients:
    generator = np.random.default_rng(seed)
    (width, height), limit = size, 2 ** (precision + 2)
    h, v = (max(f[axis] for f in factors) for axis in (0, 1))
    components = []
    for fh, fv in factors:
        alone = len(factors) == 1
        rows = -(-height // 8) if alone else -(-height // (8 * v)) * fv
        columns = -(-width // 8) if alone else -(-width // (8 * h)) * fh
        values = generator.integers(-limit, limit, (rows, columns, 8, 8)) * (
            generator.random((rows, columns, 8, 8)) < 0.2
        )
        table = generator.integers(1, 256 if precision == 8 else 2**16, (8, 8)).astype(np.uint16)
        components.append(JPEGComponent(values.astype(np.int16), table, (fh, fv)))
    return JPEGCoefficients(width, height, color_space, tuple(components), precision)


@pytest.mark.parametrize("precision", [8, 12])
@pytest.mark.parametrize(
    ("factors", "color_space"),
    [
        ([(2, 2)], "grey"),
        ([(1, 1), (1, 1)], "unknown"),
        ([(3, 1), (1, 2), (1, 1)], "YCbCr"),
        ([(4, 4), (1, 1), (2, 2)], "YCbCr"),  # 21 blocks in an MCU, so the scans cannot be interleaved
        ([(1, 1), (2, 2), (1, 2)], "RGB"),
        ([(2, 1), (1, 1), (1, 1), (2, 1)], "YCCK"),
    ],
)
def test_round_trip_of_odd_layouts(factors: list[tuple[int, int]], color_space: str, precision: int) -> None:
    image = random_image(factors, color_space, precision)
    again = read_coefficients(write_coefficients(image, optimize=True, restart_interval=2))
    assert repr(image) == repr(again)
    interleaved = sum(h * v for h, v in factors) <= 10
    for (h, v), one, other in zip(factors, image.components, again.components, strict=True):
        rows = math.ceil(image.height * v / max(f[1] for f in factors) / 8)
        columns = math.ceil(image.width * h / max(f[0] for f in factors) / 8)
        stored = (slice(None), slice(None)) if interleaved else (slice(rows), slice(columns))
        np.testing.assert_array_equal(one.coefficients[stored], other.coefficients[stored])
        np.testing.assert_array_equal(one.quantization_table, other.quantization_table)


def test_writer_refuses_what_is_no_image() -> None:
    image = random_image([(2, 2), (1, 1), (1, 1)], "YCbCr", 8)
    with pytest.raises(ValueError, match="component 0 must be int16"):
        write_coefficients(JPEGCoefficients(99, 38, "YCbCr", image.components))
    with pytest.raises(ValueError, match="color_space"):
        write_coefficients(JPEGCoefficients(45, 38, "grey", image.components))
    image.components[0].coefficients[0, 0, 3, 3] = 5000
    with pytest.raises(ValueError, match="optimize=True"):
        write_coefficients(image)


def test_huffman_codes_are_never_longer_than_16_bits() -> None:
    """Fibonacci frequencies make the deepest tree (T.81 K.3 shortens it)."""
    values = np.zeros((1, 2**11, 8, 8), np.int16)
    fibonacci = [1, 1]
    while sum(fibonacci) + fibonacci[-1] < 60 * 2**11:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    symbols = np.repeat([1 << i % 10 for i in range(len(fibonacci))], fibonacci)[: 63 * 2**11]
    positions = np.random.default_rng(0).permutation(63 * 2**11)[: len(symbols)]
    flat = values.reshape(-1, 64)
    flat[positions // 63, 1 + positions % 63] = symbols
    grey = JPEGComponent(values, np.ones((8, 8), np.uint16), (1, 1))
    again = read_coefficients(write_coefficients(JPEGCoefficients(2**14, 8, "grey", (grey,)), optimize=True))
    np.testing.assert_array_equal(again.components[0].coefficients, values)


PLAIN = encode(picture(40, 30), quality=80)
PROGRESSIVE = encode(picture(40, 30), quality=80, progressive=True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "data at byte 0: the file is empty"),
        (b"\x89PNG", "this is no JPEG"),
        (PLAIN[:100], "data end early"),
        (PLAIN[:-40], "SOS at byte .*: the data end early"),
        (PLAIN[:-40] + b"\xff\xd9", "EOI at byte .*: the marker cuts"),
        (PLAIN[:-2], "data end early"),
        (b"\xff\xd8\xff\xd9", "EOI at byte 2: the file ends before its first scan"),
        (replace(PLAIN, 0xC0, -1, b"\xc9"), "SOF9 at byte .*: arithmetic"),
        (replace(PLAIN, 0xC0, -1, b"\xc3"), "SOF3 at byte .*: arithmetic, lossless"),
        (replace(PLAIN, 0xC0, -1, b"\xc5"), "SOF5 at byte"),
        (replace(PLAIN, 0xC0, -1, b"\x02"), "marker FF 02 at byte"),
        (replace(PLAIN, 0xC0, 0, b"\x00\x01"), "SOF0 at byte .*: 1 bytes is a wrong length"),
        (replace(PLAIN, 0xC0, 2, b"\x0c"), "samples of 12 bits"),
        (replace(PLAIN, 0xC0, 3, b"\x00\x00"), "height or width is 0"),
        (replace(PLAIN, 0xC0, 3, b"\xff\xff\xff\xff"), "4294836225 pixels are more than max_pixels"),
        (replace(PLAIN, 0xC0, 3, b"\x20\x00\x20\x00"), "data end early"),
        (replace(PLAIN, 0xC0, 9, b"\x55"), "sampling factors 0x55"),
        (replace(PLAIN, 0xC0, 10, b"\x03"), "SOS at byte .*: quantization table 3 is used but not defined"),
        (replace(PLAIN, 0xDA, 3, b"\x09"), "SOS at byte .*: the scan's components"),
        (replace(PLAIN, 0xDB, 2, b"\x07"), "DQT at byte .*: table destination 0x07"),
        (replace(PLAIN, 0xC4, 3, b"\x03"), "DHT at byte .*: the counts and symbols are no Huffman code"),
        (replace(PLAIN, 0xC4, 3, b"\xff"), "DHT at byte .*: the counts and symbols are no Huffman code"),
        (replace(PLAIN, 0xDA, 12, b"\xff\x00" * 20), "SOS at byte .*: no Huffman code matches"),
        (replace(PROGRESSIVE, 0xDA, 9, b"\x3f"), "SOS at byte .*: the scan's components or parameters"),
        (PLAIN[:-2] + PLAIN[PLAIN.index(b"\xff\xda") :], "SOS at byte .*: component 0 has been scanned before"),
        (PLAIN[:2] + PLAIN, "SOI at byte 2: the marker must not stand here"),
    ],
)
def test_broken_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_coefficients(data)


def test_wrong_restart_marker() -> None:
    data = encode(picture(64, 64), restart_marker_blocks=2)
    at = data.index(b"\xff\xd1")
    with pytest.raises(ValueError, match=f"RST5 at byte {at}: RST1 must stand here"):
        read_coefficients(data[: at + 1] + b"\xd5" + data[at + 2 :])


def test_trailing_bytes_and_unknown_segments_are_skipped() -> None:
    segment = b"\xff\xe7" + struct.pack(">H", 9) + b"\xff\xda\xff\xd9any"
    image = read_coefficients(PLAIN[:2] + segment + PLAIN[2:] + b"trailing \xff\xd8 bytes")
    np.testing.assert_array_equal(image.components[0].coefficients, read_coefficients(PLAIN).components[0].coefficients)


def test_truncated_files_are_filled_as_libjpeg_does(tmp_path: Path, libjpeg: Libjpeg) -> None:
    generator, paths, images = random.Random(0), [], []
    for restart in (0, 2):
        data = encode(picture(60, 50), quality=85, restart_marker_blocks=restart)
        for cut in generator.sample(range(data.index(b"\xff\xda") + 14, len(data) - 2), 40):
            paths.append(tmp_path / f"{len(paths)}.jpg")
            paths[-1].write_bytes(data[:cut])
            images.append(read_coefficients(data[:cut], on_truncation="fill"))
    for path, image, planes in zip(paths, images, libjpeg(paths), strict=True):
        for component, (values, _) in zip(image.components, planes, strict=True):
            found = component.coefficients[: values.shape[0], : values.shape[1]]
            np.testing.assert_array_equal(found, values, err_msg=str(path))


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="on_truncation must be"):
        read_coefficients(PLAIN, on_truncation="ignore")  # type: ignore[arg-type]
    for wrong in (0, 2.5, None):
        with pytest.raises(ValueError, match=f"num_threads must be an integer, at least 1; got {wrong}"):
            read_coefficients_batch([PLAIN], num_threads=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1200 pixels are more than max_pixels=1000; raise it"):
        read_coefficients(PLAIN, max_pixels=1000)
    with pytest.raises(ValueError, match="file 1 of the batch: data at byte 0: the file is empty"):
        read_coefficients_batch([PLAIN, b""])


@pytest.mark.parametrize("num_threads", [1, 2])
def test_what_is_no_bytes_is_named(num_threads: int) -> None:
    with pytest.raises(TypeError, match=r"a list of files is expected; got one as bytes: use read_coefficients"):
        read_coefficients_batch(PLAIN, num_threads)  # type: ignore[arg-type]
    wrong: list[tuple[Any, str]] = [("a.jpg", "str"), (7, "int"), (np.frombuffer(PLAIN, np.uint8), "ndarray")]
    for value, name in wrong:
        with pytest.raises(TypeError, match=f"^a JPEG file's bytes are expected; got {name}: pass pathlib"):
            read_coefficients(value)
        with pytest.raises(TypeError, match=f"^file 1 of the batch: a JPEG file's bytes are expected; got {name}"):
            read_coefficients_batch([PLAIN, value], num_threads)
    for kind in (bytearray, memoryview):
        np.testing.assert_array_equal(
            read_coefficients_batch([kind(PLAIN)], num_threads)[0].components[0].coefficients,
            read_coefficients(PLAIN).components[0].coefficients,
        )


def assert_read_or_refused(data: bytes) -> None:
    refused = ""
    try:
        image = read_coefficients(data, max_pixels=2**26)
    except ValueError as error:
        refused = str(error)
    assert " at byte " in refused or image.components


@given(header=st.binary(max_size=40), marker=st.sampled_from([0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD, 0xE0, 0xEE]))
@settings(max_examples=300, deadline=None)
def test_any_segment_is_read_or_refused(header: bytes, marker: int) -> None:
    segment = bytes([0xFF, marker]) + struct.pack(">H", len(header) + 2) + header
    for data in (
        PLAIN[:2] + segment + PLAIN[2:],
        b"\xff\xd8" + segment,
        PROGRESSIVE[:-2] + segment + PROGRESSIVE[-20:],
    ):
        assert_read_or_refused(data)


@given(
    width=st.integers(1, 65535),
    height=st.integers(1, 65535),
    factors=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=3),
)
@settings(max_examples=300, deadline=None)
def test_any_size_and_sampling_is_read_or_refused(width: int, height: int, factors: list[tuple[int, int]]) -> None:
    body = struct.pack(">BHHB", 8, height, width, 3)
    body += b"".join(bytes([i + 1, h << 4 | v, 0]) for i, (h, v) in enumerate(factors))
    data = replace(PLAIN, 0xC0, 2, body)
    assert_read_or_refused(data)
