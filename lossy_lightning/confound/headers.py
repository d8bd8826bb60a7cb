"""Files to a table of what their headers tell."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lossy_lightning.bitstream.jpeg import read_headers
from lossy_lightning.bitstream.kinds import kind_of
from lossy_lightning.confound import _jpeg, _mp3, _png, _sound
from lossy_lightning.core import InputError

_DTYPE = [
    *(("format", "U8"), ("bytes", "i8"), ("content", "U32")),
    *(("width", "i4"), ("height", "i4"), ("components", "i2"), ("precision", "i2")),
    *(("subsampling", "U16"), ("tables", "U8"), ("quality", "i2"), ("huffman", "U9")),
    *(("progressive", "i1"), ("scans", "i4"), ("restart_interval", "i4"), ("segments", "U8")),
    *((name, "i1") for name in ("exif", "icc", "comment", "jfif", "adobe", "xmp", "id3", "encoder_tag")),
    *(("samples", "i8"), ("sample_rate", "i4"), ("channels", "i2"), ("mode", "U24")),
    *(("bit_rate", "i4"), ("variable_rate", "i1"), ("encoder_delay", "i4")),
]
_ABSENT = tuple("" if kind[0] == "U" else -1 for _, kind in _DTYPE)
_READERS: dict[str, Callable[[bytes], dict[str, Any]]] = {
    "png": _png.describe,
    "wav": _sound.describe_wav,
    "flac": _sound.describe_flac,
    "ogg": _sound.describe_ogg,
    "mp3": _mp3.describe,
}
_BATCH = 256


def header_table(files: Iterable[Path | str], progress: bool = False) -> NDArray[np.void]:
    """What the headers of files tell, a row a file; pictures and sounds are never decoded.

    JPEG, MP3, PNG, WAV, FLAC, Ogg Vorbis and Opus are told apart by their first bytes, not by their names.

    Args:
        files: Their paths.
        progress: Whether to show how far the work has come, on standard error.

    Returns:
        A structured array with the columns

        - ``file``, and ``error``: what is wrong with it, empty if it was read;
        - ``format``, ``bytes`` of the file, ``content``: a hash of all of them;
        - images: ``width`` and ``height`` in pixels, ``components``, ``precision`` in bits, ``subsampling``
          (``"4:2:0"``, ``"grey"``), ``tables``: a hash of the quantization tables, ``quality``: that of libjpeg which
          gives the luma table, ``huffman`` (``"standard"``, ``"optimised"``, ``"none"``), ``progressive`` (for PNG:
          interlaced), ``scans``, ``restart_interval`` in MCUs;
        - metadata that are there, 0 or 1: ``exif``, ``icc``, ``comment``, ``jfif``, ``adobe``, ``xmp``, ``id3``,
          ``encoder_tag``, and ``segments``: a hash of the kinds of metadata, in their order;
        - sounds: ``samples`` of a channel, ``sample_rate`` in Hz, ``channels``, ``mode``, ``bit_rate`` in bit/s (0 if
          it varies), ``variable_rate``, ``encoder_delay`` in samples.

        What a file does not tell is -1 or empty.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (20, 10)).save(f"{folder}/a.jpg", quality=80)
        ...     row = header_table([f"{folder}/a.jpg"])[0]
        >>> int(row["width"]), int(row["quality"]), str(row["subsampling"])
        (20, 80, '4:2:0')
    """
    paths = [Path(file) for file in files]
    length = max([1, *(len(str(path)) for path in paths)])
    table = np.empty(len(paths), [("file", f"U{length}"), ("error", "U160"), *_DTYPE])
    with tqdm(total=len(paths), desc="headers", unit="file", disable=not progress) as bar:
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            for i, (path, row) in enumerate(zip(batch, _rows(batch), strict=True), start):
                told = row if isinstance(row, dict) else {}
                filled = (told.get(name, absent) for (name, _), absent in zip(_DTYPE, _ABSENT, strict=True))
                table[i] = (str(path), row if isinstance(row, str) else "", *filled)
            bar.update(len(batch))
    return table


def _rows(paths: Sequence[Path]) -> list[dict[str, Any] | str]:
    """Columns of each file, or what is wrong with it."""
    contents = [_content(path) for path in paths]
    jpegs = [data for data in contents if isinstance(data, bytes) and kind_of(data) == "jpeg"]
    headers = iter(read_headers(jpegs))
    rows: list[dict[str, Any] | str] = []
    for data in contents:
        if isinstance(data, str):
            rows.append(data)
            continue
        header = next(headers) if kind_of(data) == "jpeg" else None
        try:
            if isinstance(header, ValueError):
                raise header
            told = _described(data) if header is None else _jpeg.describe(data, header)
        except ValueError as error:
            rows.append(str(error))
            continue
        common = {"bytes": len(data), "content": hashlib.blake2b(data, digest_size=16).hexdigest()}
        rows.append(told | common)
    return rows


def _content(path: Path) -> bytes | str:
    try:
        return path.read_bytes()
    except OSError as error:
        return f"it cannot be read ({error.strerror})"


def _described(data: bytes) -> dict[str, Any]:
    if not data:
        raise InputError("it is empty")
    kind = kind_of(data)
    if kind == "learned":
        raise InputError(
            "it is a file of a learned codec, which needs its checkpoint; `info` and `show` take that as --codec"
        )
    describe = _READERS.get(kind)
    if describe is not None:
        return describe(data)
    raise InputError("it is no JPEG, PNG, MP3, WAV, FLAC, Ogg Vorbis or Opus file")
