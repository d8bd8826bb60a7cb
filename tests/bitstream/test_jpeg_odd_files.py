"""Files that are allowed but odd, and arguments that are not allowed."""

import array
import re
from pathlib import Path

import numpy as np
import pytest

from lossy_lightning.bitstream.jpeg import (
    JPEGCoefficients,
    JPEGComponent,
    read_coefficients,
    read_coefficients_batch,
    read_headers,
    read_windows,
    write_coefficients,
)

from .jpeg_files import Libjpeg, encode, picture, replace, segments

PLAIN = encode(picture(40, 30), quality=80)
PROGRESSIVE = encode(picture(40, 30), quality=80, progressive=True)
GREY = JPEGComponent(np.ones((1, 2, 8, 8), np.int16), np.full((8, 8), 16, np.uint16), (1, 1))


def assert_same(data: bytes, other: bytes) -> None:
    for one, two in zip(read_coefficients(data).components, read_coefficients(other).components, strict=True):
        np.testing.assert_array_equal(one.coefficients, two.coefficients)
        np.testing.assert_array_equal(one.quantization_table, two.quantization_table)


def without_tables(data: bytes, *kinds: int) -> bytes:
    """A file without the Huffman tables of these classes and destinations."""
    left = []
    for segment in segments(data):
        if segment[1] == 0xC4:
            body, tables = segment[4:], b""
            while body:
                size = 17 + sum(body[1:17])
                tables += b"" if body[0] in kinds else body[:size]
                body = body[size:]
            segment = b"\xff\xc4" + (len(tables) + 2).to_bytes(2, "big") + tables
        left.append(segment)
    return b"".join(left)


@pytest.mark.parametrize("kinds", [(0x00,), (0x10,), (0x01, 0x11), (0x00, 0x01, 0x10, 0x11)])
def test_sequential_files_may_leave_out_the_standard_tables(kinds: tuple[int, ...]) -> None:
    assert_same(without_tables(PLAIN, *kinds), PLAIN)


@pytest.mark.parametrize(("kind", "name"), [(0x00, "DC Huffman table 0"), (0x10, "AC Huffman table 0")])
def test_progressive_files_may_not(kind: int, name: str) -> None:
    with pytest.raises(ValueError, match=f"SOS at byte .*: {name} is used but not defined"):
        read_coefficients(without_tables(PROGRESSIVE, kind))


@pytest.mark.parametrize(
    ("selectors", "name"), [(b"\x20", "DC Huffman table 2"), (b"\x03", "AC Huffman table 3"), (b"\x32", "DC .* 3")]
)
def test_tables_2_and_3_have_no_default(selectors: bytes, name: str) -> None:
    data = replace(PLAIN, 0xDA, 4, selectors)
    for found in (read_windows([data], [[]])[0], read_windows([data], [[]], on_truncation="fill")[0]):
        assert re.search(f"SOS at byte .*: {name} is used but not defined", str(found))


def test_selectors_of_tables_that_a_scan_does_not_use_may_be_anything(tmp_path: Path, libjpeg: Libjpeg) -> None:
    parts = []
    for segment in segments(PROGRESSIVE):
        if segment[1] == 0xDA:
            count, changed = segment[4], bytearray(segment)
            start, high = segment[5 + 2 * count], segment[7 + 2 * count] >> 4
            for at in range(6, 6 + 2 * count, 2):
                changed[at] |= 0xF0 if start > 0 else 0x0F if high == 0 else 0xFF
            segment = bytes(changed)
        parts.append(segment)
    data = b"".join(parts)
    assert data != PROGRESSIVE
    assert_same(data, PROGRESSIVE)
    (tmp_path / "file.jpg").write_bytes(data)
    for component, (values, _) in zip(
        read_coefficients(data).components, libjpeg([tmp_path / "file.jpg"])[0], strict=True
    ):
        rows, columns = values.shape[:2]
        np.testing.assert_array_equal(component.coefficients[:rows, :columns], values)
    sequential = replace(PLAIN, 0xDA, 4, b"\x0f")
    with pytest.raises(ValueError, match="table destination 0x0f is not allowed"):
        read_coefficients(sequential)


@pytest.mark.parametrize("precision", [1, 2, 15])
def test_any_precision_of_a_quantization_table_but_0_means_16_bits(
    precision: int, tmp_path: Path, libjpeg: Libjpeg
) -> None:
    table = np.arange(1, 65, dtype=np.uint16).reshape(8, 8) * 1000
    data = write_coefficients(JPEGCoefficients(16, 8, "grey", (GREY._replace(quantization_table=table),)))
    data = replace(data, 0xDB, 2, bytes([precision << 4]))
    np.testing.assert_array_equal(read_coefficients(data).components[0].quantization_table, table)
    (tmp_path / "file.jpg").write_bytes(data)
    np.testing.assert_array_equal(libjpeg([tmp_path / "file.jpg"])[0][0][1], table)


@pytest.mark.parametrize("on_truncation", ["error", "fill"])
def test_no_component_of_a_sequential_file_is_scanned_twice(on_truncation: str) -> None:
    wide = [JPEGComponent(np.ones((4, 4, 8, 8), np.int16), GREY.quantization_table, (4, 4))] * 3
    scans = segments(write_coefficients(JPEGCoefficients(32, 32, "YCbCr", tuple(wide))))
    assert [part[1] for part in scans].count(0xDA) == 3
    for index, again in enumerate(part for part in scans if part[1] == 0xDA):
        data = b"".join([*scans[:-1], again, scans[-1]])
        (found,) = read_windows([data], [[]], on_truncation=on_truncation)  # type: ignore[arg-type]
        assert f"component {index} has been scanned before, as only progressive files may" in str(found)


def test_views_that_are_not_bytes_side_by_side_are_named() -> None:
    data = PLAIN[: len(PLAIN) // 2 * 2]
    wrong = [
        memoryview(data).cast("B", (len(data) // 2, 2)),
        memoryview(array.array("H", data)),
        memoryview(data + data)[::2],
    ]
    for view in wrong:
        with pytest.raises(TypeError, match=r"got a memoryview of shape .* and items of . bytes: pass its tobytes"):
            read_coefficients(view)
        for read in (read_headers, read_coefficients_batch):
            with pytest.raises(TypeError, match=r"file 1 of the batch: .* got a memoryview of shape"):
                read([PLAIN, view])
    assert len(read_coefficients_batch([memoryview(PLAIN), bytearray(PLAIN), memoryview(bytearray(PLAIN))])) == 3


@pytest.mark.parametrize("restart_interval", [-1, 65_536, 1.5, None, "2"])
def test_restart_intervals_are_checked(restart_interval: object) -> None:
    image = JPEGCoefficients(16, 8, "grey", (GREY,))
    with pytest.raises(ValueError, match=r"restart_interval must be an integer, 0 to 65535; got"):
        write_coefficients(image, restart_interval=restart_interval)  # type: ignore[arg-type]
    for allowed in (0, 65_535, np.int64(1)):
        assert_same(write_coefficients(image, restart_interval=int(allowed)), write_coefficients(image))


@pytest.mark.parametrize(
    "table", [np.full((8, 8), 65_536), np.full((8, 8), -1), np.ones(64, np.uint16), np.ones((8, 8))]
)
def test_written_quantization_tables_are_checked(table: np.ndarray) -> None:
    with pytest.raises(ValueError, match="quantization tables are 8 x 8 integers of 16 bits; component 0 has"):
        write_coefficients(JPEGCoefficients(16, 8, "grey", (GREY._replace(quantization_table=table),)))
