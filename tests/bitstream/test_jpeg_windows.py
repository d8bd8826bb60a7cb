"""Headers and windows of JPEG files against whole files."""

import io
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lossy_lightning.bitstream.jpeg import (
    BlockWindow,
    JPEGCoefficients,
    JPEGHeader,
    read_coefficients,
    read_headers,
    read_windows,
    write_coefficients,
)
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.functional import pad_to_mcus

CODINGS: list[dict[str, object]] = [{}, {"optimize": True}, {"progressive": True}, {"restart_marker_blocks": 3}]
LUMA_CELLS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}


def picture(width: int, height: int, seed: int = 0, mode: str = "RGB", **options: object) -> bytes:
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (3, 4, 3), np.uint8)).resize((width, height), Image.BICUBIC)
    noise = generator.normal(0, 40, (height, width, 3)) * (generator.random((height, width, 1)) < 0.3)
    pixels = np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def units_of(image: JPEGCoefficients, cells: tuple[int, int]) -> np.ndarray:
    """The whole image as MCUs, by way of its components."""
    v, h = cells
    luma, *chroma = (torch.from_numpy(component.coefficients) for component in image.components)
    luma = pad_to_mcus(luma, (h, v))
    rows, columns = luma.shape[0] // v, luma.shape[1] // h
    parts = {str(i): c.flatten(-2).movedim(-1, 0) for i, c in enumerate([luma, *(c[:rows, :columns] for c in chroma)])}
    fields = [Field(name, (-1024,) * 64, (1023,) * 64, True, () if int(name) else cells) for name in parts]
    return CodeSpec(fields, (rows, columns)).join(parts).movedim(0, -1).numpy()


def mcu_windows(units: np.ndarray, cells: tuple[int, int], top: int = 0, left: int = 0) -> list[BlockWindow]:
    """Windows of all components in one row of a batch."""
    v, h = cells
    cuts = [64 * v * h + 64 * i for i in range(units.shape[-1] // 64 - v * h + 1)]
    luma = BlockWindow(units[..., : cuts[0]], top * v, left * h, cells)
    return [luma, *(BlockWindow(units[..., a:b], top, left) for a, b in itertools.pairwise(cuts))]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("subsampling", LUMA_CELLS)
def test_windows_are_parts_of_the_whole(subsampling: str, coding: dict[str, object]) -> None:
    cells = LUMA_CELLS[subsampling]
    for width, height in ((16, 16), (67, 53), (40, 90)):
        data = picture(width, height, quality=85, subsampling=subsampling, **coding)
        image = read_coefficients(data)
        expected = units_of(image, cells)
        rows, columns = expected.shape[:2]
        for top, left, bottom, right in ((0, 0, rows, columns), (rows // 2, 0, rows, 1), (1, columns // 2, 2, columns)):
            if bottom > rows or top >= bottom:
                continue
            # Rows of a batch whose channels and columns have more room than the window.
            batch = np.full((bottom - top, right - left + 2, expected.shape[-1] + 64), 7, np.int16)
            units = batch[:, 1:-1, :-64]
            (header,) = read_windows([data], [mcu_windows(units, cells, top, left)])
            assert isinstance(header, JPEGHeader)
            np.testing.assert_array_equal(units, expected[top:bottom, left:right])
            units[:] = 7
            assert (batch == 7).all()  # nothing beside the window has been touched
            for table, component in zip(header.quantization_tables, image.components, strict=True):
                np.testing.assert_array_equal(table, component.quantization_table)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(("have", "want"), list(itertools.product(LUMA_CELLS, [*LUMA_CELLS, "4:1:1"])))
def test_luma_goes_to_any_cells_and_chroma_to_planes(have: str, want: str, progressive: bool) -> None:
    cells = (LUMA_CELLS | {"4:1:1": (1, 4)})[want]
    data = picture(75, 43, quality=80, subsampling=have, progressive=progressive)
    luma, *chroma = read_coefficients(data).components
    expected = units_of(JPEGCoefficients(75, 43, "grey", (luma,)), cells)
    units = np.empty_like(expected)
    planes = [np.empty((*component.coefficients.shape[:2], 64), np.int16) for component in chroma]
    corner = np.empty((1, 2, 64), np.int16)
    windows = [BlockWindow(units, cells=cells), *map(BlockWindow, planes)]
    assert isinstance(read_windows([data], [windows])[0], JPEGHeader)
    np.testing.assert_array_equal(units, expected)
    for plane, component in zip(planes, chroma, strict=True):
        np.testing.assert_array_equal(plane.reshape(component.coefficients.shape), component.coefficients)
    read_windows([data], [[windows[0], windows[1], BlockWindow(corner, 1, 2)]])
    np.testing.assert_array_equal(corner.reshape(1, 2, 8, 8), chroma[1].coefficients[1:2, 2:4])


@pytest.mark.parametrize("size", [(8, 8), (9, 17), (24, 24), (41, 8)])
@pytest.mark.parametrize("cells", [(1, 1), (1, 2), (2, 2), (2, 1), (1, 4)])
def test_grey_files_are_padded_and_get_chroma_of_zeros(size: tuple[int, int], cells: tuple[int, int]) -> None:
    for progressive in (False, True):
        data = picture(*size, mode="L", progressive=progressive)
        expected = units_of(read_coefficients(data), cells)
        units = np.full((*expected.shape[:2], expected.shape[2] + 128), 9, np.int16)
        assert isinstance(read_windows([data], [mcu_windows(units, cells)])[0], JPEGHeader)
        np.testing.assert_array_equal(units[..., :-128], expected)
        assert not units[..., -128:].any()


def test_scans_that_are_not_interleaved() -> None:
    generator = np.random.default_rng(0)
    image = read_coefficients(picture(70, 50, subsampling="4:2:0"))
    wide = [(4, 4), (2, 2), (2, 2)]  # 24 blocks in an MCU, so that each component has a scan of its own
    rows, columns = 2, 3
    components = tuple(
        component._replace(
            coefficients=generator.integers(-30, 30, (rows * v, columns * h, 8, 8)).astype(np.int16),
            sampling_factors=(h, v),
        )
        for component, (h, v) in zip(image.components, wide, strict=True)
    )
    data = write_coefficients(image._replace(components=components))
    image = read_coefficients(data)
    expected = units_of(image, (2, 2))[1:3, 2:5]
    units = np.empty_like(expected)
    assert isinstance(read_windows([data], [mcu_windows(units, (2, 2), 1, 2)])[0], JPEGHeader)
    np.testing.assert_array_equal(units, expected)


def test_components_that_nobody_wants_are_not_stored() -> None:
    data = picture(32, 32, mode="CMYK")
    units = np.empty((4, 4, 64), np.int16)
    (header,) = read_windows([data], [[BlockWindow(units)]])
    assert isinstance(header, JPEGHeader)
    assert (header.color_space, len(header.grids)) == ("CMYK", 4)
    np.testing.assert_array_equal(units.reshape(4, 4, 8, 8), read_coefficients(data).components[0].coefficients)
    assert isinstance(read_windows([data], [[]])[0], JPEGHeader)


def read_or_reason(data: bytes) -> JPEGCoefficients | str:
    """The whole image, or what is wrong with the file."""
    try:
        return read_coefficients(data)
    except ValueError as error:
        return str(error)


def mixed_files() -> list[bytes]:
    """Files of several layouts and codings, good and bad."""
    files = [
        picture(16 + 9 * i, 70 - 5 * i, seed=i, subsampling=tuple(LUMA_CELLS)[i % 3], quality=60 + i, **CODINGS[i % 4])
        for i in range(12)
    ]
    return [files[0][:-30], *files[:5], b"", files[2][:300], *files[5:], b"\x89PNG", files[6][:-40]]


@pytest.mark.parametrize("num_threads", [1, 2, 5])
def test_a_bad_file_is_named_and_stops_no_other(num_threads: int) -> None:
    files = mixed_files() * 30  # more than one run
    outs = [np.empty((1, 1, 64), np.int16) for _ in files]
    found = read_windows(files, [[BlockWindow(out)] for out in outs], num_threads=num_threads)
    for data, header, out in zip(files, found, outs, strict=True):
        image = read_or_reason(data)
        if isinstance(image, str):
            assert str(header) == image
        else:
            assert isinstance(header, JPEGHeader)
            assert (header.width, header.height) == (image.width, image.height)
            np.testing.assert_array_equal(out.reshape(8, 8), image.components[0].coefficients[0, 0])
    assert {type(header) for header in found} == {JPEGHeader, ValueError}


@pytest.mark.parametrize("coding", CODINGS)
def test_a_file_is_bad_wherever_the_window_is(coding: dict[str, object]) -> None:
    data = picture(96, 96, subsampling="4:2:0", **coding)
    generator = np.random.default_rng(3)
    for _ in range(60):
        changed = bytearray(data)
        changed[generator.integers(len(data) // 2, len(data))] ^= 1 << generator.integers(8)
        answers = set()
        for top, left in ((0, 0), (2, 3), (5, 5)):
            windows = mcu_windows(np.empty((1, 1, 384), np.int16), (2, 2), top, left)
            (header,) = read_windows([bytes(changed)], [windows])
            answers.add(str(header) if isinstance(header, ValueError) else "good")
        image = read_or_reason(bytes(changed))
        assert answers == {image if isinstance(image, str) else "good"}


@pytest.mark.parametrize("coding", CODINGS)
def test_truncated_files_are_filled_in_windows_as_in_whole_files(coding: dict[str, object]) -> None:
    for subsampling, cells in LUMA_CELLS.items():
        data = picture(80, 64, subsampling=subsampling, **coding)
        for cut in (len(data) - 2, 2 * len(data) // 3, len(data) // 2):
            expected = units_of(read_coefficients(data[:cut], on_truncation="fill"), cells)[1:3, 1:4]
            units = np.full_like(expected, 5)
            (header,) = read_windows([data[:cut]], [mcu_windows(units, cells, 1, 1)], on_truncation="fill")
            assert isinstance(header, JPEGHeader)
            np.testing.assert_array_equal(units, expected)


def test_headers_say_what_the_file_holds() -> None:
    files = [*mixed_files(), picture(20, 30, mode="L"), picture(20, 30, mode="CMYK"), picture(9, 9, keep_rgb=True)]
    for data, header in zip(files, read_headers(files), strict=True):
        image = read_or_reason(data)
        if isinstance(image, str):
            continue  # perhaps broken behind the headers
        assert isinstance(header, JPEGHeader)
        assert header[:3] == (image.width, image.height, image.color_space)
        assert (header.precision, header.adobe) == (image.precision, image.adobe)
        assert header.sampling_factors == tuple(component.sampling_factors for component in image.components)
        assert header.grids == tuple(component.coefficients.shape[:2] for component in image.components)
        for table, component in zip(header.quantization_tables, image.components, strict=True):
            np.testing.assert_array_equal(table, component.quantization_table)
    assert read_headers([]) == []


def test_headers_refuse_what_reading_refuses() -> None:
    data = picture(40, 30)
    (large,) = read_headers([data], max_pixels=1000)
    assert "1200 pixels are more than max_pixels=1000" in str(large)
    undefined = bytearray(data)
    undefined[data.index(b"\xff\xc0") + 12] = 3
    for found in (read_headers([bytes(undefined)]), read_windows([bytes(undefined)], [[]])):
        assert "quantization table 3 is used but not defined" in str(found[0])
    with pytest.raises(TypeError, match="a list of files is expected"):
        read_headers(data)  # type: ignore[arg-type]


def test_windows_that_leave_the_image_are_refused() -> None:
    data = picture(40, 30, subsampling="4:4:4")
    for window in (BlockWindow(np.empty((5, 1, 64), np.int16)), BlockWindow(np.empty((1, 1, 64), np.int16), 0, 5)):
        assert "the window of component 0 leaves its grid" in str(read_windows([data], [[window]])[0])
    over = np.empty((2, 4, 256), np.int16)
    assert "leaves its grid" in str(read_windows([data], [[BlockWindow(over, cells=(2, 2))]])[0])


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (BlockWindow(np.empty((1, 1, 64), np.int32)), "writable int16 array"),
        (BlockWindow(np.empty((1, 64), np.int16)), "writable int16 array"),
        (BlockWindow(np.frombuffer(bytes(128), np.int16).reshape(1, 1, 64)), "writable int16 array"),
        (BlockWindow(np.empty((1, 1, 128), np.int16)), "have 64 channels side by side"),
        (BlockWindow(np.empty((1, 1, 128), np.int16)[..., ::2]), "have 64 channels side by side"),
        (BlockWindow(np.empty((1, 1, 320), np.int16), cells=(1, 5)), "each 1 to 4"),
        (BlockWindow(np.empty((1, 1, 64), np.int16), -1), "begins with a whole place"),
        (BlockWindow(np.empty((1, 1, 256), np.int16), 2, 1, (2, 2)), "begins with a whole place"),
    ],
)
def test_windows_are_checked(window: BlockWindow, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_windows([picture(16, 16)], [[window]])


def test_arguments_are_checked() -> None:
    data = picture(16, 16)
    with pytest.raises(ValueError, match="one entry for each file; got 2 for 1 files"):
        read_windows([data], [[], []])
    with pytest.raises(ValueError, match="at most 4 components; got 5"):
        read_windows([data], [[BlockWindow(np.empty((1, 1, 64), np.int16))] * 5])
    with pytest.raises(ValueError, match="num_threads must be"):
        read_windows([data], [[]], num_threads=0)
    with pytest.raises(ValueError, match="on_truncation must be"):
        read_windows([data], [[]], on_truncation="ignore")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="file 0 of the batch: a JPEG file's bytes are expected; got str"):
        read_windows(["a.jpg"], [[]])  # type: ignore[list-item]
    assert read_windows([], []) == []


def test_threads_may_read_at_one_time(tmp_path: Path) -> None:
    files = [picture(64, 64, seed=i, progressive=i % 2 == 0, subsampling="4:2:0") for i in range(8)]
    expected = [units_of(read_coefficients(data), (2, 2)) for data in files]
    wrong: list[int] = []

    def read() -> None:
        for _ in range(20):
            outs = [np.empty_like(units) for units in expected]
            read_windows(files, [mcu_windows(out, (2, 2)) for out in outs], num_threads=2)
            wrong.extend(i for i, (out, units) in enumerate(zip(outs, expected, strict=True)) if (out != units).any())

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


MEMORY = """
import resource, sys
import numpy as np
from lossy_lightning.bitstream.jpeg import BlockWindow, read_windows
small, large = (open(path, "rb").read() for path in sys.argv[1:])
def read(data):
    rows = np.empty((14, 14, 384), np.int16)
    windows = [BlockWindow(rows[..., :256], 8, 8, (2, 2))]
    windows += [BlockWindow(rows[..., a : a + 64], 4, 4) for a in (256, 320)]
    print(type(read_windows([data], [windows])[0]).__name__)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(-read(small) + read(large))
"""


def test_a_window_costs_the_memory_of_the_file_and_not_of_the_image(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3000, 4000), np.uint8)
    paths = []
    for size in (320, 4000):
        paths.append(str(tmp_path / f"{size}.jpg"))
        Image.fromarray(pixels[:size, :size]).convert("RGB").save(paths[-1], quality=30, subsampling="4:2:0")
    command = [sys.executable, "-c", MEMORY, *paths]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    small, large, growth = result.stdout.split()
    assert small == large == "JPEGHeader"
    whole = 2 * 3000 * 4000 * 3 / 2
    assert 1024 * int(growth) < min(3 * os.path.getsize(paths[1]) + 2**21, whole / 2)


def sizes(files: Sequence[bytes]) -> list[tuple[int, int]]:
    return [(header.width, header.height) for header in read_headers(files) if isinstance(header, JPEGHeader)]


def test_large_and_small_files_in_one_batch() -> None:
    large = picture(1500, 1100, quality=97)
    assert len(large) > 2**18
    files = [picture(16, 16), large, picture(24, 8), large, large]
    assert sizes(files) == [(16, 16), (1500, 1100), (24, 8), (1500, 1100), (1500, 1100)]
