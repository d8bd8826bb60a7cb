"""Windows of files, decoded straight into memory that the caller has."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._batch import check_files, join, split, zero_records
from .._memory import empty_coefficients
from ..pool import check_threads, in_threads
from ._files import decode_windows, longest_progressive
from ._huffman import kept_tables
from ._records import COMPONENT, FRAME
from ._windows import WINDOW
from .headers import MOST_BYTES, STANDARD, JPEGHeader, fills, headers

NO_WINDOW = (0, 0, 0, 0, 0, 1, 1, 0, 0)  #: Numbers of a window of a component that nobody wants.


class BlockWindow(NamedTuple):
    """Where blocks of one component of a file go.

    Attributes:
        out: int16 ``(rows, columns, 64 * v * h)``; each place holds ``v * h`` blocks of 64 coefficients in natural
            order, row by row. Rows and columns may have any strides, coefficients stand side by side.
        row: Row of the component's blocks that the first place begins with, a multiple of ``v``.
        column: Column of the component's blocks that the first place begins with, a multiple of ``h``.
        cells: ``(v, h)``, rows and columns of blocks in one place, as the ``cells`` of a field; 1 to 4.
    """

    out: NDArray[np.int16]
    row: int = 0
    column: int = 0
    cells: tuple[int, int] = (1, 1)


def read_windows(
    files: Sequence[bytes],
    windows: Sequence[Sequence[BlockWindow]],
    num_threads: int = 1,
    max_pixels: int = 2**27,
    on_truncation: Literal["error", "fill"] = "error",
) -> list[JPEGHeader | ValueError]:
    """Read windows of JPEG files into arrays that are there already, in compiled code without the GIL.

    Each file is decoded to its end, wherever its windows are, so that a file is good or bad whatever is taken of it.
    A sequential file's blocks go straight to their windows, and nothing else of the image is kept; of a progressive
    file all coefficients are, one such file a thread.

    Coefficients are quantized and as they stand in the file. Behind a component's last block, the rest of a place is
    padded as libjpeg pads an MCU: blocks of the DC coefficient before them. A component that the file does not have, in
    a grey file say, is filled with zeros.

    Args:
        files: The files' bytes. Few large or many small ones make a good call.
        windows: For each file a window for each component wanted, first component first.
        num_threads: Number of threads.
        max_pixels: Larger images are refused.
        on_truncation: As in `read_coefficients`.

    Returns:
        For each file its header, with the quantization tables that its scans used, or what is wrong with it; then its
        windows may hold anything. No file stops the others.

    Raises:
        TypeError: If a file is no bytes, or ``files`` is one file.
        ValueError: If a window is no such array or begins in the middle of a place, there is not one tuple of windows
            for each file, or another argument is not allowed.

    Source:
        As `read_coefficients`.

    Example:
        >>> from lossy_lightning.bitstream.jpeg import JPEGCoefficients, JPEGComponent, write_coefficients
        >>> blocks = np.arange(6, dtype=np.int16).repeat(64).reshape(2, 3, 8, 8)
        >>> grey = JPEGComponent(blocks, np.full((8, 8), 16, np.uint16), (1, 1))
        >>> out = np.zeros((1, 2, 64), np.int16)
        >>> data = write_coefficients(JPEGCoefficients(24, 16, "grey", (grey,)))
        >>> (header,) = read_windows([data], [[BlockWindow(out, row=1, column=1)]])
        >>> header.grids, out[..., 0]
        (((2, 3),), array([[4, 5]], dtype=int16))
    """
    if len(windows) != len(files):
        raise ValueError(f"windows must have one entry for each file; got {len(windows)} for {len(files)} files")
    return read_places(files, _records(windows), num_threads, max_pixels, on_truncation)


def read_places(
    files: Sequence[bytes],
    places: NDArray[np.int64],
    num_threads: int = 1,
    max_pixels: int = 2**27,
    on_truncation: Literal["error", "fill"] = "error",
) -> list[JPEGHeader | ValueError]:
    """Do what `read_windows` does, with windows that are checked already.

    Args:
        files: As of `read_windows`.
        places: ``(files, 4, 9)``, numbers of a window for each component: the address of its first place, bytes from
            one row to the next and from one column to the next, numbers of rows and columns, v, h, row and column; for
            components without a window `NO_WINDOW`. Compiled code writes wherever they point.
        num_threads: As of `read_windows`.
        max_pixels: As of `read_windows`.
        on_truncation: As of `read_windows`.

    Returns:
        As `read_windows`.

    Raises:
        TypeError: As `read_windows`.
        ValueError: If there is no whole number of threads, or ``on_truncation`` is neither.

    Example:
        >>> read_places([], np.zeros((0, 4, 9), np.int64))
        []
    """
    check_threads(num_threads)
    check_files(files, "JPEG", "read_coefficients")
    fill = fills(on_truncation)
    records = np.ascontiguousarray(places).view(WINDOW).reshape(-1, 4)

    def read(run: slice) -> list[JPEGHeader | ValueError]:
        return _read(files[run], records[run], max_pixels, fill)

    found = in_threads(read, split(files, num_threads, MOST_BYTES), num_threads)
    return [header for run in found for header in run]


def _read(
    files: Sequence[bytes], windows: NDArray[np.void], max_pixels: int, fill: bool
) -> list[JPEGHeader | ValueError]:
    data, bounds = join(files, STANDARD)
    count = len(files)
    frames, components = zero_records((count,), FRAME), zero_records((count, 4), COMPONENT)
    latched = np.empty((count, 4, 64), np.uint16)
    whole = empty_coefficients(longest_progressive(data, bounds, max_pixels, fill))
    with kept_tables.taken() as tables:
        decode_windows(data, bounds, frames, components, latched, tables, windows, whole, max_pixels, fill)
    return headers(frames, components, latched, max_pixels)


def _records(windows: Sequence[Sequence[BlockWindow]]) -> NDArray[np.int64]:
    """The windows of all files as `read_places` takes them."""
    numbers: list[tuple[int, ...]] = []
    for of_file in windows:
        if len(of_file) > 4:
            raise ValueError(f"a file has at most 4 components; got {len(of_file)} windows for one")
        numbers += map(place_of, of_file)
        numbers += [NO_WINDOW] * (4 - len(of_file))
    return np.array(numbers, np.int64).reshape(-1, 4, 9)


def place_of(window: BlockWindow) -> tuple[int, ...]:
    """Numbers of a window as `read_places` takes them, checked.

    Raises:
        ValueError: As `read_windows`.

    Example:
        >>> place_of(BlockWindow(np.zeros((2, 3, 64), np.int16)))[1:]
        (384, 128, 2, 3, 1, 1, 0, 0)
    """
    out, row, column, (v, h) = window
    if out.dtype != np.int16 or out.ndim != 3 or not out.flags.writeable:
        raise ValueError(
            f"a window is a writable int16 array (rows, columns, channels); got {out.dtype} of shape {out.shape}"
        )
    rows, columns, channels = out.shape
    row_bytes, column_bytes, channel_bytes = out.strides
    if not (1 <= h <= 4 and 1 <= v <= 4) or channels != 64 * h * v or channel_bytes != 2:
        raise ValueError(
            f"places of {v} x {h} blocks, each 1 to 4, have {64 * h * v} channels side by side in memory; got "
            f"{channels} channels, {channel_bytes} bytes apart"
        )
    if row < 0 or column < 0 or row % v or column % h:
        raise ValueError(f"a window begins with a whole place of {v} x {h} blocks; got row {row}, column {column}")
    return out.__array_interface__["data"][0], row_bytes, column_bytes, rows, columns, v, h, row, column
