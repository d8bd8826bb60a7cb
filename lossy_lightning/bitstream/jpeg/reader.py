"""Files to coefficients."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise, repeat
from operator import itemgetter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .._batch import check_file, check_files, join, split, zero_records
from .._memory import Kept, empty_coefficients
from ..pool import check_threads, in_threads
from ._errors import describe
from ._files import decode_files, measure_files
from ._huffman import SLOTS, TABLE, kept_tables
from ._records import COMPONENT, FRAME
from .coefficients import JPEGCoefficients, JPEGComponent
from .headers import COLOR_SPACES, STANDARD, fills, layout_runs

_FRAME_NUMBERS = itemgetter(
    *map(list(FRAME.names or ()).index, ("error", "width", "height", "color", "precision", "adobe"))
)
_ARRAY_SIZE = 2**21  # coefficients that share an array at most
# The constructors of named tuples take twice as long.
_COMPONENT = partial(tuple.__new__, JPEGComponent)
_IMAGE: Callable[[tuple[object, ...]], JPEGCoefficients] = partial(tuple.__new__, JPEGCoefficients)


class _OneFile:
    """What compiled code needs of one file besides the results, and its numbers: made once, since making takes long."""

    def __init__(self) -> None:
        size = FRAME.itemsize // 8
        self.numbers = np.zeros(size + 4 * COMPONENT.itemsize // 8, np.int64)
        self.frame_numbers, component_numbers = self.numbers[:size], self.numbers[size:].reshape(4, -1)
        self.layouts = component_numbers[:, :5]
        self.frames, self.components = self.frame_numbers.view(FRAME), component_numbers.view(COMPONENT).reshape(1, 4)
        self.tables = np.zeros(SLOTS, TABLE)


_kept_records = Kept(_OneFile)


def read_coefficients(
    data: bytes, max_pixels: int = 2**27, on_truncation: Literal["error", "fill"] = "error"
) -> JPEGCoefficients:
    """Read the quantized coefficients of a JPEG file: entropy decoding only, bit-exact with libjpeg.

    Baseline, extended sequential and progressive files are read, of 8 or 12 bits, one to four components and any
    sampling factors. The first call of a process loads compiled code from disk; the first one ever compiles it.

    Memory and time are bounded by the file's length. The coefficients of n bytes take at most 4096 n bytes, 32 blocks
    for each byte: a complete file spends a bit at least on each block that holds samples, and an image one block high
    or wide may have four times as many to pad it. So only files that have been cut meet this bound. All work costs bits
    of the file, but for looking through blocks in scans that refine them; these are refused once they are more than the
    13 bits of 63 coefficients allow, each in a scan of its own.

    Args:
        data: The file's bytes.
        max_pixels: Larger images are refused.
        on_truncation: What to do if coded data end early or are damaged: ``"error"``, or ``"fill"``, which reads as
            libjpeg does. What is missing becomes zeros, lost and repeated restart markers are made up for, and bits
            that are no code end their block. Broken headers stay errors.

    Returns:
        The image's coefficients.

    Raises:
        ValueError: If the file is unsupported (arithmetic, lossless, hierarchical), broken or too large; the message
            names marker, byte offset and reason.
        TypeError: If the data are no bytes.

    Source:
        ITU-T T.81 (1992), annexes B, C, F and G; T.871 (JFIF) and T.872 (Adobe) for colour spaces.

    Example:
        >>> from lossy_lightning.bitstream.jpeg import write_coefficients
        >>> grey = JPEGComponent(np.ones((1, 2, 8, 8), np.int16), np.full((8, 8), 16, np.uint16), (1, 1))
        >>> image = read_coefficients(write_coefficients(JPEGCoefficients(10, 8, "grey", (grey,))))
        >>> image.width, image.components[0].coefficients.shape
        (10, (1, 2, 8, 8))
    """
    check_file(data, "JPEG")
    fill = fills(on_truncation)
    joined = np.frombuffer(b"".join((STANDARD, data)), np.uint8)
    bounds, starts = np.array((len(STANDARD), len(joined))), np.zeros(2, np.int64)
    measure_files(joined, bounds, starts, max_pixels, fill)
    out = empty_coefficients(int(starts[1]))
    latched = np.empty((1, 4, 64), np.uint16)
    with _kept_records.taken() as one:
        one.numbers.fill(0)
        decode_files(joined, bounds, one.frames, one.components, latched, one.tables, starts, out, max_pixels, fill)
        error, width, height, color, precision, adobe = _FRAME_NUMBERS(one.frame_numbers.tolist())
        if error:
            raise ValueError(describe(one.frames[0], max_pixels))
        layouts = one.layouts.tolist()
    images = [
        _COMPONENT((np.ndarray((rows, columns, 8, 8), np.int16, out, 2 * start), table, (h, v)))
        for (h, v, rows, columns, start), table in zip(layouts, latched.reshape(4, 8, 8), strict=True)
        if rows > 0
    ]
    return _IMAGE((width, height, COLOR_SPACES[color], tuple(images), precision, adobe >= 0))


def read_coefficients_batch(
    files: Sequence[bytes],
    num_threads: int = 1,
    max_pixels: int = 2**27,
    on_truncation: Literal["error", "fill"] = "error",
) -> list[JPEGCoefficients]:
    """Read the quantized coefficients of many JPEG files in one compiled call a thread, without the GIL.

    Images of up to 4 MiB together share one array, which lives as long as any of them. Up to 64 MiB that nobody holds
    any more are kept for later calls. Consecutive images of equal quantization tables may share these: what is written
    into a table changes it for all images that share it, so copy it first.

    Args:
        files: The files' bytes.
        num_threads: Number of threads.
        max_pixels: Larger images are refused.
        on_truncation: As in `read_coefficients`.

    Returns:
        The coefficients of each file.

    Raises:
        ValueError: If a file cannot be read; the message begins with its index. If there is no whole number of
            threads, at least one.
        TypeError: If a file is no bytes, or ``files`` is one file.

    Example:
        >>> read_coefficients_batch([])
        []
    """
    check_threads(num_threads)
    check_files(files, "JPEG", "read_coefficients")
    fill = fills(on_truncation)
    results = in_threads(lambda run: _read(files[run], max_pixels, fill), split(files, num_threads), num_threads)
    images: list[JPEGCoefficients] = []
    for read, error in results:
        if error is not None:
            raise ValueError(f"file {len(images) + error[0]} of the batch: {error[1]}")
        images += read
    return images


def _read(files: Sequence[bytes], max_pixels: int, fill: bool) -> tuple[list[JPEGCoefficients], tuple[int, str] | None]:
    """Read files: the images, and if one is bad, its index and what is wrong with it."""
    count = len(files)
    data, bounds = join(files, STANDARD)
    starts = np.zeros(count + 1, np.int64)
    measure_files(data, bounds, starts, max_pixels, fill)
    images: list[JPEGCoefficients] = []
    while len(images) < count:
        first, last = len(images), int(starts.searchsorted(starts[len(images)] + _ARRAY_SIZE, "right")) - 1
        last = max(last, first + 1)
        offsets = starts[first : last + 1] - starts[first]
        out = empty_coefficients(int(offsets[-1]))
        frames, components = zero_records((last - first,), FRAME), zero_records((last - first, 4), COMPONENT)
        latched = np.empty((last - first, 4, 64), np.uint16)
        with kept_tables.taken() as tables:
            decode_files(
                data, bounds[first : last + 1], frames, components, latched, tables, offsets, out, max_pixels, fill
            )
        bad = frames["error"].nonzero()[0]
        if len(bad) > 0:
            return images, (first + int(bad[0]), describe(frames[bad[0]], max_pixels))
        width, height, color, precision = (frames[name].tolist() for name in ("width", "height", "color", "precision"))
        spaces, adobe = map(COLOR_SPACES.__getitem__, color), (frames["adobe"] >= 0).tolist()
        views = _views(out, offsets, components, latched, frames["table_set"])
        images.extend(map(_IMAGE, zip(width, height, spaces, views, precision, adobe, strict=True)))
    return images, None


def _views(
    out: NDArray[np.int16],
    starts: NDArray[np.int64],
    components: NDArray[np.void],
    latched: NDArray[np.uint16],
    table_set: NDArray[np.int64],
) -> Iterator[tuple[JPEGComponent, ...]]:
    """The components of every image as views of what was decoded; a run of images of one layout is cut at once."""
    layouts, edges = layout_runs(components, table_set)
    for first, last in pairwise(edges):
        images = out[starts[first] : starts[last]].reshape(last - first, -1)
        parts = []
        for (h, v, rows, columns, start), table in zip(layouts[first].tolist(), latched[table_set[first]], strict=True):
            if rows > 0:
                blocks = images[:, start : start + 64 * rows * columns].reshape(-1, rows, columns, 8, 8)
                parts.append(map(_COMPONENT, zip(blocks, repeat(table.reshape(8, 8)), repeat((h, v)), strict=False)))
        yield from zip(*parts, strict=True)
