"""Files to what their headers say."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._batch import check_files, join, split, zero_records
from ._errors import describe
from ._files import read_headers as _read_headers
from ._records import COMPONENT, FRAME
from ._tables import STANDARD_HUFFMAN

#: Stand before the first file of a call, for files that define no Huffman tables.
STANDARD = b"".join(table for tables in STANDARD_HUFFMAN for table in tables)
COLOR_SPACES = ("unknown", "grey", "YCbCr", "RGB", "CMYK", "YCCK")
MOST_BYTES = 2**18  # of files that one compiled call reads; they fit into the processor's cache


class JPEGHeader(NamedTuple):
    """What the headers of a JPEG file say.

    Attributes:
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        color_space: ``"grey"``, ``"YCbCr"``, ``"RGB"``, ``"CMYK"``, ``"YCCK"``, or ``"unknown"`` (two components).
        precision: Bits of a sample, 8 or 12.
        adobe: Whether the file has an Adobe marker; many readers then take CMYK and YCCK as inverted.
        sampling_factors: ``(h, v)`` of each component, horizontal and vertical, 1 to 4.
        grids: ``(rows, columns)`` of each component's blocks: whole MCUs, so that some may only pad the image.
        quantization_tables: uint16 ``(8, 8)`` of each component, natural order. Consecutive files may share them: copy
            a table before it is changed.
    """

    width: int
    height: int
    color_space: str
    precision: int
    adobe: bool
    sampling_factors: tuple[tuple[int, int], ...]
    grids: tuple[tuple[int, int], ...]
    quantization_tables: tuple[NDArray[np.uint16], ...]


# The constructor of a named tuple takes twice as long.
_HEADER: Callable[[tuple[object, ...]], JPEGHeader] = partial(tuple.__new__, JPEGHeader)
_Layout = tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...], tuple[NDArray[np.uint16], ...]]


def fills(on_truncation: str) -> bool:
    """Whether data that end early are filled up.

    Raises:
        ValueError: If it is neither "error" nor "fill".
    """
    if on_truncation not in ("error", "fill"):
        raise ValueError(f"on_truncation must be 'error' or 'fill'; got {on_truncation!r}")
    return on_truncation == "fill"


def read_headers(
    files: Sequence[bytes], max_pixels: int = 2**27, on_truncation: Literal["error", "fill"] = "error"
) -> list[JPEGHeader | ValueError]:
    """Read the segments of JPEG files up to their first scan, and no coefficient.

    Args:
        files: The files' bytes.
        max_pixels: Larger images are refused.
        on_truncation: Whether a file too short for its blocks is an error, as in `read_coefficients`.

    Returns:
        For each file what its headers say, or what is wrong with them. Tables are those defined before the first scan;
        a file of several scans may use others (`read_windows` tells which).

    Raises:
        TypeError: If a file is no bytes, or ``files`` is one file.

    Source:
        ITU-T T.81 (1992), annex B; T.871 (JFIF) and T.872 (Adobe) for colour spaces.

    Example:
        >>> from lossy_lightning.bitstream.jpeg import JPEGCoefficients, JPEGComponent, write_coefficients
        >>> grey = JPEGComponent(np.ones((1, 2, 8, 8), np.int16), np.full((8, 8), 16, np.uint16), (1, 1))
        >>> header, error = read_headers([write_coefficients(JPEGCoefficients(10, 8, "grey", (grey,))), b"BM"])
        >>> header.width, header.grids
        (10, ((1, 2),))
        >>> error
        ValueError('data at byte 0: this is no JPEG file; it must start with FF D8')
    """
    check_files(files, "JPEG", "read_coefficients")
    fill = fills(on_truncation)
    found: list[JPEGHeader | ValueError] = []
    for run in split(files, 1, MOST_BYTES):
        data, bounds = join(files[run], STANDARD)
        count = len(bounds) - 1
        frames, components = zero_records((count,), FRAME), zero_records((count, 4), COMPONENT)
        latched = np.empty((count, 4, 64), np.uint16)
        _read_headers(data, bounds, frames, components, latched, max_pixels, fill)
        found += headers(frames, components, latched, max_pixels)
    return found


def headers(
    frames: NDArray[np.void], components: NDArray[np.void], latched: NDArray[np.uint16], max_pixels: int
) -> list[JPEGHeader | ValueError]:
    """What was found of each file, from the records of compiled code."""
    names = ("width", "height", "color", "precision", "adobe")
    width, height, color, precision, adobe = (frames[name].tolist() for name in names)
    spaces, has_adobe = map(COLOR_SPACES.__getitem__, color), [transform >= 0 for transform in adobe]
    layouts = _layouts(components, latched, frames["table_set"])
    found: list[JPEGHeader | ValueError] = [
        _HEADER((*five, *layout))
        for five, layout in zip(zip(width, height, spaces, precision, has_adobe, strict=True), layouts, strict=True)
    ]
    for i in frames["error"].nonzero()[0].tolist():
        found[i] = ValueError(describe(frames[i], max_pixels))
    return found


def _layouts(
    components: NDArray[np.void], latched: NDArray[np.uint16], table_set: NDArray[np.int64]
) -> Iterator[_Layout]:
    """Sampling factors, grids and tables of each file; consecutive files of one layout share them."""
    layouts, edges = layout_runs(components, table_set)
    for first, last in pairwise(edges):
        used = [(part, table) for part, table in zip(layouts[first].tolist(), latched[table_set[first]], strict=True)]
        parts = [((h, v), (rows, columns), table.reshape(8, 8)) for (h, v, rows, columns, _), table in used if rows > 0]
        factors, grids, tables = zip(*parts, strict=True) if parts else ((), (), ())
        for _ in range(first, last):
            yield factors, grids, tables


def layout_runs(components: NDArray[np.void], table_set: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int]]:
    """What the files' components are, ``(files, 4, 5)``, and where runs of files of equal layout and tables begin."""
    layouts = components.view(np.int64).reshape(len(components), 4, -1)[:, :, :5]
    edges = [0, len(layouts)]
    if len(layouts) > 1:
        changes = (layouts[1:] != layouts[:-1]).any((1, 2)) | (table_set[1:] != table_set[:-1])
        edges[1:1] = (changes.nonzero()[0] + 1).tolist()
    return layouts, edges
