"""Damaged files through ``on_truncation="fill"``: libjpeg's coefficients, within bounds of memory and time."""

import itertools
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lossy_lightning.bitstream.jpeg import (
    BlockWindow,
    JPEGCoefficients,
    JPEGHeader,
    read_coefficients,
    read_headers,
    read_windows,
)

from .jpeg_files import HERE, Libjpeg, encode, picture, replace, segments


def filled(data: bytes) -> JPEGCoefficients:
    return read_coefficients(data, on_truncation="fill")


def assert_filled_as_by_libjpeg(files: Sequence[bytes], folder: Path, libjpeg: Libjpeg) -> None:
    paths = [folder / f"{i}.jpg" for i in range(len(files))]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    for data, planes in zip(files, libjpeg(paths), strict=True):
        image = filled(data)
        for component, (values, _) in zip(image.components, planes, strict=True):
            found = component.coefficients[: values.shape[0], : values.shape[1]]
            np.testing.assert_array_equal(found, values, err_msg=data.hex())


def originals() -> list[bytes]:
    """Files of every coding, with and without restart markers."""
    codings: list[dict[str, object]] = [{}, {"optimize": True}, {"progressive": True}]
    kinds = itertools.product(codings, ("4:4:4", "4:2:0"), (0, 1, 3), ("RGB", "L"))
    return [
        encode(picture(61, 45, i, mode), quality=20 + 25 * (i % 4), subsampling=sub, restart_marker_blocks=n, **coding)
        for i, (coding, sub, n, mode) in enumerate(kinds)
    ]


def intervals(segment: bytes) -> list[bytes]:
    """The header of a scan, then its restart intervals, each but the first behind its marker."""
    start = 2 + int.from_bytes(segment[2:4], "big")
    return [segment[:start], *re.split(rb"(?=\xff[\xd0-\xd7])", segment[start:])]


def damage(data: bytes, generator: random.Random) -> bytes:
    """Coded data changed, cut or lengthened, restart markers lost, repeated, renumbered; all else stays."""
    parts = segments(data)
    scans = [i for i, part in enumerate(parts) if part[1] == 0xDA]
    for _ in range(generator.randint(1, 3)):
        index = generator.choice(scans)
        head, *found = intervals(parts[index])
        kind, at = generator.randrange(7), generator.randrange(len(found))
        coded = bytearray(found[at])
        marked = 2 * (coded[:1] == b"\xff" and coded[1:2] != b"\0")
        inside = generator.randrange(marked, len(coded) + 1)
        if kind == 0 and inside < len(coded) and coded[inside] != 0xFF and coded[inside - 1] != 0xFF:
            coded[inside] = generator.randrange(255)
        elif kind == 1:
            del coded[inside:]
        elif kind == 2:
            coded += bytes(generator.randrange(255) for _ in range(generator.randint(1, 9)))
        elif kind == 3 and marked:
            coded[1] = 0xD0 + generator.randrange(8)
        elif kind == 4 and at > 0:
            coded.clear()
        elif kind == 5:
            coded = coded + coded if marked else coded
        else:
            coded += bytes([0xFF, 0xD0 + generator.randrange(8)])
        found[at] = bytes(coded)
        parts[index] = head + b"".join(found)
    return b"".join(parts)


@pytest.mark.parametrize("seed", range(2))
def test_damaged_data_give_the_coefficients_of_libjpeg(seed: int, tmp_path: Path, libjpeg: Libjpeg) -> None:
    generator = random.Random(seed)
    files = [damage(data, generator) for data in originals() for _ in range(8)]
    assert_filled_as_by_libjpeg(files, tmp_path, libjpeg)


def test_cut_files_give_the_coefficients_of_libjpeg(tmp_path: Path, libjpeg: Libjpeg) -> None:
    generator, files = random.Random(1), []
    for data in originals():
        parts = segments(data)
        scans = [i for i, part in enumerate(parts) if part[1] == 0xDA]
        for _ in range(6):
            last = generator.choice(scans)
            cut = generator.randrange(len(intervals(parts[last])[0]), len(parts[last]))
            files.append(b"".join(parts[:last]) + parts[last][:cut] + b"\xff\xd9")
    assert_filled_as_by_libjpeg(files, tmp_path, libjpeg)


def restarted() -> tuple[bytes, list[bytes]]:
    """What stands before the coded data of a file with restart markers, and its intervals."""
    data = encode(picture(64, 64), quality=75, subsampling="4:2:0", restart_marker_blocks=2)
    *before, scan, _ = segments(data)
    head, *found = intervals(scan)
    return b"".join(before) + head, found


@pytest.mark.parametrize("number", range(8))
def test_renumbered_restart_markers(number: int, tmp_path: Path, libjpeg: Libjpeg) -> None:
    head, found = restarted()
    found[3] = bytes([0xFF, 0xD0 + number]) + found[3][2:]
    data = head + b"".join(found) + b"\xff\xd9"
    if number != 2:
        with pytest.raises(ValueError, match=f"RST{number} at byte .*: RST2 must stand here"):
            read_coefficients(data)
    assert_filled_as_by_libjpeg([data], tmp_path, libjpeg)


@pytest.mark.parametrize("lost", [1, 2, 3, 6])
def test_a_lost_interval_leaves_those_behind_it_where_they_are(lost: int, tmp_path: Path, libjpeg: Libjpeg) -> None:
    head, found = restarted()
    whole = filled(head + b"".join(found) + b"\xff\xd9").components[0].coefficients
    data = head + b"".join(found[:3] + found[3 + lost :]) + b"\xff\xd9"
    with pytest.raises(ValueError, match=r"RST2 must stand here|the marker cuts|EOI at byte"):
        read_coefficients(data)
    assert_filled_as_by_libjpeg([data], tmp_path, libjpeg)
    if lost < 3:  # of more than two, libjpeg cannot tell how many are lost
        np.testing.assert_array_equal(filled(data).components[0].coefficients[-2:], whole[-2:])


def test_windows_of_damaged_files_are_parts_of_the_whole() -> None:
    generator = random.Random(5)
    for data in originals():
        damaged = damage(data, generator)
        components = filled(damaged).components
        rows, columns = components[0].coefficients.shape[:2]
        out = np.empty((rows - 1, columns - 2, 64), np.int16)
        (header,) = read_windows([damaged], [[BlockWindow(out, 1, 2)]], on_truncation="fill")
        assert isinstance(header, JPEGHeader)
        np.testing.assert_array_equal(out.reshape(*out.shape[:2], 8, 8), components[0].coefficients[1:, 2:])


def one_table(table_class: int, codes: dict[int, list[int]]) -> bytes:
    """DHT of table 0, from the symbols of each length."""
    counts = bytes(len(codes.get(length, [])) for length in range(1, 17))
    symbols = bytes(itertools.chain.from_iterable(codes.get(length, []) for length in range(1, 17)))
    return b"\xff\xc4" + (19 + len(symbols)).to_bytes(2, "big") + bytes([table_class << 4]) + counts + symbols


def with_coded_data(bits: str, dc: dict[int, list[int]], ac: dict[int, list[int]], size: tuple[int, int]) -> bytes:
    """A grey file of these Huffman codes and bits, filled up with ones to a byte."""
    bits += "1" * (-len(bits) % 8)
    coded = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")
    frame = b"\xff\xc0\0\x0b\x08" + size[1].to_bytes(2, "big") + size[0].to_bytes(2, "big") + b"\x01\x01\x11\0"
    table = b"\xff\xdb\0\x43\0" + bytes([1] * 64)
    scan = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0"
    return b"\xff\xd8" + table + frame + one_table(0, dc) + one_table(1, ac) + scan + coded + b"\xff\xd9"


DC = {2: [0, 1], 3: [4]}
AC = {2: [0, 0x11], 3: [0xF1, 0x02]}


@pytest.mark.parametrize(
    "bits",
    [
        "0000" + "11111",  # no code, beyond the end of the data
        "0000" + "1" * 17 + "0000" + "01101",  # no code among the data, which then go on
        "0000" + "00" + "1" * 17 + "0001",
        "00" + "1000" * 3 + "1001" + "1001" + "0000",  # runs that leave the block by up to 15 coefficients
        "00" + "1000" * 3 + "01" + "1" + "01" * 3 + "10111" + "0000",
        "00" + ("011" * 31) + "10110" + "1000" + "0000" + "0101",
        "",
    ],
)
def test_codes_and_runs_that_are_none(bits: str, tmp_path: Path, libjpeg: Libjpeg) -> None:
    for size in ((16, 8), (8, 24), (64, 32)):
        assert_filled_as_by_libjpeg([with_coded_data(bits, DC, AC, size)], tmp_path, libjpeg)


def test_zeros_behind_the_data_have_no_end() -> None:
    """Ten blocks of an MCU that take as many bits of zeros as there can be."""
    longest = {16: [0x0F]}  # 31 bits for each coefficient
    grey = with_coded_data("", {16: [15]}, longest, (64, 64))
    parts = segments(grey)
    parts[2] = b"\xff\xc0\0\x11\x08\0\x40\0\x40\x03" + b"\x01\x22\0" + b"\x02\x22\0" + b"\x03\x12\0"
    parts[-2] = b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\x3f\0"
    for data in (b"".join(parts), b"".join(parts[:-1]) + b"\xff\xd0" * 40 + b"\xff\xd9"):
        image = filled(data)
        assert (image.components[0].coefficients[0, 0].ravel() == -(2**15) + 1).all()


# Bounds


MEMORY = """
import resource, sys
from lossy_lightning.bitstream.jpeg import read_coefficients, read_windows
def read(data):
    try:
        read_coefficients(data, on_truncation=sys.argv[3])
    except ValueError as error:
        print(error, file=sys.stderr)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
small, large = (open(name, "rb").read() for name in sys.argv[1:3])
print(-read(small) + read(large))
"""
MEMORY_OF_WINDOWS = MEMORY.replace("read_coefficients(data,", "read_windows([data], [[]],")


def resident(data: bytes, on_truncation: str, windows: bool, tmp_path: Path) -> int:
    """Bytes that reading a file adds to a process which has read others, at most."""
    (tmp_path / "data").write_bytes(data)
    (tmp_path / "small").write_bytes(encode(picture(16, 16), progressive=True))
    names = [str(tmp_path / "small"), str(tmp_path / "data"), on_truncation]
    command = [sys.executable, "-c", MEMORY_OF_WINDOWS if windows else MEMORY, *names]
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(result.stdout)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_short_file_takes_little_memory(progressive: bool, tmp_path: Path) -> None:
    data = encode(Image.new("RGB", (64, 64)), progressive=progressive)
    huge = replace(data, 0xC2 if progressive else 0xC0, 3, b"\x20\x00\x20\x00")  # 8192 x 8192
    for on_truncation, words in (("error", "data end early"), ("fill", "blocks are more than 32 for each byte")):
        for found in (
            read_headers([huge], on_truncation=on_truncation)[0],  # type: ignore[arg-type]
            read_windows([huge], [[]], on_truncation=on_truncation)[0],  # type: ignore[arg-type]
        ):
            assert words in str(found)
    assert resident(huge, "fill", progressive, tmp_path) < 2**20
    padded = huge[:-2] + bytes(40_000) + b"\xff\xd9"
    assert resident(padded, "fill", progressive, tmp_path) < 4096 * len(padded) + 2**20


def test_no_complete_file_meets_the_bound() -> None:
    """The shortest files there are: a bit a block in a progressive one, four times as many blocks for padding."""
    for factors, size in (([(1, 1)], (2048, 2048)), ([(4, 4), (4, 4), (4, 4)], (8, 2**15)), ([(4, 4)] * 3, (2**15, 8))):
        dht, count = one_table(0, {1: [0]}), len(factors)
        frame = b"\x08" + size[1].to_bytes(2, "big") + size[0].to_bytes(2, "big") + bytes([count])
        frame += b"".join(bytes([c + 1, h << 4 | v, 0]) for c, (h, v) in enumerate(factors))
        data = b"\xff\xd8\xff\xdb\0\x43\0" + bytes([1] * 64)
        data += b"\xff\xc2" + (2 + len(frame)).to_bytes(2, "big") + frame + dht
        for c in range(count):
            blocks = -(-size[0] // 8) * -(-size[1] // 8)
            data += b"\xff\xda\0\x08\x01" + bytes([c + 1]) + b"\0\0\0\0" + bytes(-(-blocks // 8))
        (header,) = read_headers([data + b"\xff\xd9"])
        assert isinstance(header, JPEGHeader)
        read_coefficients(data + b"\xff\xd9")


def scans(bands: Sequence[tuple[int, int, int, int]], side: int = 2048) -> bytes:
    """A progressive grey file of flat DC and these scans of AC bands (first, last, high, low), all of them empty."""
    table = one_table(0, {1: [0]}) + one_table(1, {1: [0xE0]})  # each code ends 16 384 to 32 767 blocks
    frame = b"\x08" + 2 * side.to_bytes(2, "big") + b"\x01\x01\x11\0"
    blocks = (side // 8) ** 2
    data = b"\xff\xd8\xff\xdb\0\x43\0" + bytes([1] * 64) + b"\xff\xc2\0\x0b" + frame + table
    data += b"\xff\xda\0\x08\x01\x01\0\0\0\0" + bytes(blocks // 8)
    for first, last, high, low in bands:
        coded = bytes(2 * (blocks // 16384) + 2)
        data += b"\xff\xda\0\x08\x01\x01\0" + bytes([first, last, high << 4 | low]) + coded
    return data + b"\xff\xd9"


def test_many_scans_that_cost_little_are_read(tmp_path: Path, libjpeg: Libjpeg) -> None:
    every = [(k, k, 0, 2) for k in range(1, 64)]
    refined = [(k, k, low + 1, low) for k in range(1, 64) for low in (1, 0)]
    assert_filled_as_by_libjpeg([scans(every + refined)], tmp_path, libjpeg)
    most = [(k, k, low + 1, low) for low in range(12, -1, -1) for k in range(1, 64)]
    for data in (scans(every), scans(every * 40), scans([(k, k, 0, 13) for k in range(1, 64)] + most, 256)):
        start = time.process_time()
        assert not read_coefficients(data).components[0].coefficients.any()
        assert time.process_time() - start < 5


def test_bands_that_are_sent_twice_keep_what_is_there(tmp_path: Path, libjpeg: Libjpeg) -> None:
    files = [encode(picture(61, 45, i), quality=75, progressive=True) for i in range(8)]
    luma = bytes([255, 0xDA, 0, 8, 1, 1])  # whose second scan starts at coefficient 6, where the first one ends
    second = re.compile(luma + rb"(.)\x06\x3f\x02", re.DOTALL)
    twice = [second.sub(luma + rb"\1" + bytes([i + 1, 63, 2]), data) for i, data in enumerate(files)]
    assert all(map(bytes.__ne__, files[:5], twice))
    assert_filled_as_by_libjpeg(twice, tmp_path, libjpeg)


@pytest.mark.parametrize("on_truncation", ["error", "fill"])
def test_scans_that_refine_without_end_are_refused(on_truncation: str) -> None:
    start = time.process_time()
    (found,) = read_windows([scans([(1, 63, 1, 0)] * 9000)], [[]], on_truncation=on_truncation)  # type: ignore[arg-type]
    assert re.search("SOS at byte .* scans refine coefficients more often than these have bits", str(found))
    assert time.process_time() - start < 5


FILES = originals()
SHAPES = [[component.coefficients.shape for component in read_coefficients(data).components] for data in FILES]
MARKERS = [bytes([0xFF, 0xD0 + i]) for i in range(8)] + [b"\xff\0", b"\xff\x01"]
CODED = st.binary(max_size=30).map(lambda piece: piece.replace(b"\xff", b"\xff\0"))


@given(data=st.data(), index=st.integers(0, 35))
@settings(max_examples=150, deadline=None)
def test_any_coded_data_are_read(data: st.DataObject, index: int) -> None:
    """Whatever stands between the headers, as long as it begins no segment: never an error, never a crash."""
    parts = segments(FILES[index])
    for i, part in enumerate(parts):
        if part[1] == 0xDA:
            junk = data.draw(st.lists(st.one_of(CODED, st.sampled_from(MARKERS)), max_size=6))
            kept = part[: data.draw(st.integers(len(intervals(part)[0]), len(part)))].rstrip(b"\xff")
            parts[i] = kept + b"".join(junk)
    changed = b"".join(parts)
    image = filled(changed)
    assert [component.coefficients.shape for component in image.components] == SHAPES[index]
