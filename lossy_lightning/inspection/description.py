"""What the headers of a file say, and what its code is."""

import inspect
from math import prod
from pathlib import Path
from typing import Any

from lossy_lightning.bitstream import jpeg
from lossy_lightning.bitstream.kinds import kind_of
from lossy_lightning.confound.headers import header_table
from lossy_lightning.core import Codec, InputError
from lossy_lightning.inspection.coded_file import CodedFile, check_file, open_file

_HASHES = ("content", "tables", "segments")
_METADATA = ("exif", "icc", "comment", "jfif", "adobe", "xmp", "id3", "encoder_tag")
_FLAGS = ("progressive", "variable_rate")
_UNITS = {
    "bytes": "bytes",
    "width": "pixels",
    "height": "pixels",
    "precision": "bits",
    "sample_rate": "Hz",
    "bit_rate": "bit/s",
    "encoder_delay": "samples",
    "duration": "s",
}
_COMPONENTS = ("luma", "cb", "cr")


def describe(path: str | Path, codec: Codec | None = None) -> dict[str, Any]:
    """What a file's headers say, and what its code is.

    Args:
        path: Of the file: JPEG, MP3, or any image or sound if a codec is given.
        codec: As of `open_file`.

    Returns:
        What JSON can hold: ``file``; what `lossy_lightning.confound.header_table` reads of the headers, without its
        hashes (width and height in pixels, subsampling, quality, sampling rate in Hz, bit rate in bit/s, the mean if
        it varies, …); ``metadata``, the kinds that are there;
        ``quantization_tables`` of a JPEG file by component; ``bits_per_pixel`` or ``bits_per_sample`` of the file;
        ``duration`` in seconds of a sound; and ``code``: its codec, shape, dtype, bits in a container, and fields. A
        file that no codec reads as it is has no ``code``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken or of a kind that is not known.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (20, 10)).save(f"{folder}/a.jpg", quality=80)
        ...     told = describe(f"{folder}/a.jpg")
        >>> told["format"], told["subsampling"], told["quality"], told["code"]["shape"]
        ('jpeg', '4:2:0', 80, [576, 1, 2])
    """
    check_file(Path(path))
    row = header_table([path])[0]
    if row["error"] and codec is None:
        raise InputError(f"{path}: {row['error']}")
    told: dict[str, Any] = {"file": str(path)}
    if not row["error"]:
        told |= _headers(row)
    readable = row["format"] in ("jpeg", "mp3")
    if readable or codec is not None:
        file = open_file(path, codec)
        told |= _learned(file) if kind_of(file.path.read_bytes()) == "learned" else {}
        told |= _coded(file, told)
    return told


def _headers(row: Any) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name in row.dtype.names[2:]:
        value = row[name].item()
        if name not in (*_HASHES, *_METADATA) and value not in (-1, ""):
            told[name] = bool(value) if name in _FLAGS else value
    told["metadata"] = [name.replace("_", " ") for name in _METADATA if row[name] == 1]
    if "width" in told:
        told["bits_per_pixel"] = 8 * told["bytes"] / (told["width"] * told["height"])
    if told.get("samples"):
        told["duration"] = told["samples"] / told["sample_rate"]
        told["bits_per_sample"] = 8 * told["bytes"] / (told["samples"] * told["channels"])
        if told.get("variable_rate"):
            told["bit_rate"] = round(8 * told["bytes"] / told["duration"])
    return told


def _learned(file: CodedFile) -> dict[str, Any]:
    size = file.path.stat().st_size
    told: dict[str, Any] = {"format": "learned", "bytes": size}
    if len(file.shape) == 3:
        return told | {"bits_per_pixel": 8 * size / prod(file.shape[1:])}
    return told | {"bits_per_sample": 8 * size / prod(file.shape)}


def _coded(file: CodedFile, headers: dict[str, Any]) -> dict[str, Any]:
    spec = file.spec
    told: dict[str, Any] = {"signal": list(file.shape)}
    if headers.get("format") == "jpeg":
        (header,) = jpeg.read_headers([file.path.read_bytes()])
        assert not isinstance(header, ValueError)  # its code was read
        tables = (table.tolist() for table in header.quantization_tables)
        told["quantization_tables"] = dict(zip(_COMPONENTS, tables, strict=False))
    bits = spec.container_bits(file.code)
    told["code"] = {
        "codec": _short(file.codec),
        "shape": list(file.code.shape),
        "dtype": str(file.code.dtype).removeprefix("torch."),
        "container_bits": int(bits),
        "fields": [
            {
                "name": field.name,
                "channels": field.num_channels,
                "low": min(field.low),
                "high": max(field.high),
                "kind": "numbers" if field.ordinal else "categories",
                "per": "file" if field.constant else "position",
            }
            for field in spec.fields
        ],
    }
    return told


def _short(codec: Codec) -> str:
    """A codec with those of its arguments that are no defaults."""
    defaults = {name: each.default for name, each in inspect.signature(type(codec)).parameters.items()}
    given = [f"{name}={value!r}" for name in defaults if (value := getattr(codec, name)) != defaults[name]]
    return f"{type(codec).__name__}({', '.join(given)})"


def as_text(told: dict[str, Any]) -> str:
    """A description as lines to read.

    Example:
        >>> print(as_text({"file": "a.png", "width": 20, "progressive": False}))
        file               a.png
        width              20 pixels
        progressive        no
    """
    lines = [
        f"{name.replace('_', ' '):18} {_value(name, value)}"
        for name, value in told.items()
        if name not in ("quantization_tables", "code")
    ]
    for component, table in told.get("quantization_tables", {}).items():
        lines.append(f"quantization table of {component}")
        lines += ["  " + " ".join(f"{step:3}" for step in row) for row in table]
    if "code" in told:
        code = told["code"]
        lines.append(
            f"{'code':18} {code['dtype']} {_value('', code['shape'])}, {code['container_bits']:,} bits by width"
        )
        lines.append(f"{'codec':18} {code['codec']}")
        lines += ["  " + _field(field) for field in code["fields"]]
    return "\n".join(lines)


def _field(field: dict[str, Any]) -> str:
    what = f"{field['low']} to {field['high']}" if field["kind"] == "numbers" else f"{field['high'] + 1} categories"
    constant = ", the same everywhere" if field["per"] == "file" else ""
    return f"{field['name']:16} {field['channels']} channel{'s'[: field['channels'] != 1]}, {what}{constant}"


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return (", " if name == "metadata" else " x ").join(map(str, value)) or "none"
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return f"{text} {_UNITS[name]}" if name in _UNITS else text
