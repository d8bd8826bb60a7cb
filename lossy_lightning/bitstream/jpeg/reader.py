"""Files to coefficients."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate, pairwise, repeat
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ._errors import describe
from ._files import decode_files, read_frames
from ._memory import empty_coefficients, kept_tables
from ._records import COMPONENT, FRAME
from ._tables import STANDARD_HUFFMAN
from .coefficients import JPEGCoefficients, JPEGComponent

_Work = TypeVar("_Work")
_Done = TypeVar("_Done")
_STANDARD = b"".join(table for tables in STANDARD_HUFFMAN for table in tables)
_RUNS = 4  # of files that a thread reads of a batch, one after the other
_LEAST_BYTES = 2**15  # that such a run has; less is read before a thread has started
_ARRAY_SIZE = 2**21  # coefficients that share an array at most
_COMPONENT = partial(tuple.__new__, JPEGComponent)  # a named tuple's own constructor takes twice as long
_COLOR_SPACES = ("unknown", "grey", "YCbCr", "RGB", "CMYK", "YCCK")


def read_coefficients(
    data: bytes, max_pixels: int = 2**27, on_truncation: Literal["error", "fill"] = "error"
) -> JPEGCoefficients:
    """Read the quantized coefficients of a JPEG file: entropy decoding only, bit-exact with libjpeg.

    Baseline, extended sequential and progressive files are read, of 8 or 12 bits, one to four components and any
    sampling factors. The first call of a process loads compiled code from disk; the first one ever compiles it.

    Args:
        data: The file's bytes.
        max_pixels: Larger images are refused.
        on_truncation: What to do where data end early: ``"error"``, or ``"fill"`` the rest with zeros as libjpeg does.

    Returns:
        The image's coefficients.

    Raises:
        ValueError: Where the file is unsupported (arithmetic, lossless, hierarchical), broken or too large; the message
            names marker, byte offset and reason.

    Source:
        ITU-T T.81 (1992), annexes B, C, F and G; T.871 (JFIF) and T.872 (Adobe) for colour spaces.

    Example:
        >>> from lossy_lightning.bitstream.jpeg import write_coefficients
        >>> grey = JPEGComponent(np.ones((1, 2, 8, 8), np.int16), np.full((8, 8), 16, np.uint16), (1, 1))
        >>> image = read_coefficients(write_coefficients(JPEGCoefficients(10, 8, "grey", (grey,))))
        >>> image.width, image.components[0].coefficients.shape
        (10, (1, 2, 8, 8))
    """
    images, error = _read([data], max_pixels, _fills(on_truncation))
    if error is not None:
        raise ValueError(error[1])
    return images[0]


def read_coefficients_batch(
    files: Sequence[bytes],
    num_threads: int = 1,
    max_pixels: int = 2**27,
    on_truncation: Literal["error", "fill"] = "error",
) -> list[JPEGCoefficients]:
    """Read the quantized coefficients of many JPEG files in one compiled call a thread, without the GIL.

    Images of up to 4 MiB together share one array, which lives as long as any of them. Up to 64 MiB that nobody holds
    any more are kept for later calls.

    Args:
        files: The files' bytes.
        num_threads: Number of threads.
        max_pixels: Larger images are refused.
        on_truncation: As in `read_coefficients`.

    Returns:
        The coefficients of each file.

    Raises:
        ValueError: Where a file cannot be read; the message begins with its index.

    Example:
        >>> read_coefficients_batch([])
        []
    """
    if num_threads < 1:
        raise ValueError(f"num_threads must be at least 1; got {num_threads}")
    fill = _fills(on_truncation)
    chunks = _split(files, num_threads)
    results = _in_threads(lambda chunk: _read(chunk, max_pixels, fill), chunks, num_threads)
    images: list[JPEGCoefficients] = []
    for read, error in results:
        if error is not None:
            raise ValueError(f"file {len(images) + error[0]} of the batch: {error[1]}")
        images += read
    return images


def _fills(on_truncation: str) -> bool:
    if on_truncation not in ("error", "fill"):
        raise ValueError(f"on_truncation must be 'error' or 'fill'; got {on_truncation!r}")
    return on_truncation == "fill"


def _split(files: Sequence[bytes], num_threads: int) -> list[Sequence[bytes]]:
    """Consecutive runs of files of about equal bytes, several a thread, so that all threads end at about one time."""
    if num_threads == 1 or len(files) < 2:
        return [files]
    total = np.cumsum([len(data) for data in files])
    parts = min(_RUNS * num_threads, max(1, total[-1] // _LEAST_BYTES))
    cuts = np.searchsorted(total, np.arange(1, parts) * total[-1] / parts)
    edges = [0, *(int(cut) for cut in cuts), len(files)]
    return [files[a:b] for a, b in pairwise(edges) if a < b]


def _in_threads(work: Callable[[_Work], _Done], items: Sequence[_Work], num_threads: int) -> list[_Done]:
    """What becomes of each item; whichever thread is free, this one among them, takes the next."""
    done: dict[int, _Done] = {}
    waiting = iter(enumerate(items))

    def take() -> None:
        for i, item in waiting:
            done[i] = work(item)

    helpers = min(num_threads, len(items)) - 1
    if helpers < 1:
        take()
    else:
        with ThreadPoolExecutor(helpers) as pool:
            started = [pool.submit(take) for _ in range(helpers)]
            take()
        for helper in started:
            helper.result()
    return [done[i] for i in range(len(items))]


def _read(files: Sequence[bytes], max_pixels: int, fill: bool) -> tuple[list[JPEGCoefficients], tuple[int, str] | None]:
    """Read files: the images, and where one is bad, its index and what is wrong with it."""
    count = len(files)
    if not all(issubclass(kind, (bytes, bytearray, memoryview)) for kind in set(map(type, files))):
        raise TypeError("a JPEG file's bytes are expected, not its name; pass pathlib.Path(name).read_bytes()")
    bounds = np.fromiter(accumulate(map(len, files), initial=len(_STANDARD)), np.int64, count + 1)
    data = np.frombuffer(b"".join((_STANDARD, *files)), np.uint8)
    frames, components = _records((count,), FRAME), _records((count, 4), COMPONENT)
    quantization, huffman = np.zeros((count, 4, 65), np.uint16), np.empty((count, 2, 4), np.int64)
    starts = np.zeros(count + 1, np.int64)
    read_frames(data, bounds, frames, components, quantization, huffman, starts, max_pixels, fill)
    latched = np.zeros((count, 4, 64), np.uint16)
    images: list[JPEGCoefficients] = []
    while len(images) < count:
        first, last = len(images), int(starts.searchsorted(starts[len(images)] + _ARRAY_SIZE, "right")) - 1
        part = slice(first, max(last, first + 1))
        offsets = starts[first : part.stop + 1] - starts[first]
        out = empty_coefficients(int(offsets[-1]))
        state = frames[part], components[part], quantization[part], latched[part], huffman[part]
        with kept_tables() as tables:
            decode_files(data, *state, tables, offsets, out, max_pixels, fill)
        bad = frames["error"][part].nonzero()[0]
        if len(bad) > 0:
            return images, (first + int(bad[0]), describe(frames[first + bad[0]]))
        columns = (frames[name][part].tolist() for name in ("width", "height", "color", "precision", "adobe"))
        views = _views(out, offsets, components[part], latched[part])
        for width, height, color, precision, adobe, image in zip(*columns, views, strict=True):
            images.append(JPEGCoefficients(width, height, _COLOR_SPACES[color], image, precision, adobe >= 0))
    return images, None


def _records(shape: tuple[int, ...], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """Zeros; NumPy's own take ten times as long where there are fields."""
    return np.ndarray(shape, dtype, bytearray(math.prod(shape) * dtype.itemsize))


def _views(
    out: NDArray[np.int16], starts: NDArray[np.int64], components: NDArray[np.void], latched: NDArray[np.uint16]
) -> Iterator[tuple[JPEGComponent, ...]]:
    """The components of every image as views of what was decoded; a run of images of equal layout is cut at once."""
    layouts = components.view(np.int64).reshape(len(components), 4, -1)[:, :, :5]
    tables = latched.reshape(-1, 4, 8, 8)
    changes = [] if len(layouts) == 1 else (layouts[1:] != layouts[:-1]).any((1, 2)).nonzero()[0].tolist()
    for first, last in pairwise([0, *(i + 1 for i in changes), len(layouts)]):
        images = out[starts[first] : starts[last]].reshape(last - first, -1)
        parts = []
        for c, (h, v, rows, columns, start) in enumerate(layouts[first].tolist()):
            if rows > 0:
                blocks = images[:, start : start + 64 * rows * columns].reshape(-1, rows, columns, 8, 8)
                fields = zip(blocks, tables[first:last, c], repeat((h, v)), strict=False)
                parts.append(map(_COMPONENT, fields))
        yield from zip(*parts, strict=True)
