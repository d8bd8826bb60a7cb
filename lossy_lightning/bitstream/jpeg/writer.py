"""Coefficients to files."""

import struct

import numpy as np
from numpy.typing import NDArray

from ._encode import RESTART, TOKEN, emit, optimal_counts, tokenize
from ._frames import lay_out
from ._records import COMPONENT, FRAME
from ._scans import plan_units
from ._tables import NATURAL_ORDER, STANDARD_HUFFMAN
from ._windows import UNIT
from .coefficients import JPEGCoefficients

_ADOBE_TRANSFORM = {"YCbCr": 1, "YCCK": 2}
_CHANNELS = {"grey": 1, "YCbCr": 3, "RGB": 3, "CMYK": 4, "YCCK": 4, "unknown": 2}


def write_coefficients(image: JPEGCoefficients, optimize: bool = False, restart_interval: int = 0) -> bytes:
    """Write quantized coefficients as a sequential JPEG file: entropy coding only.

    Args:
        image: What to write. 8-bit images with 8-bit tables make a baseline file, others an extended sequential one.
        optimize: Whether the Huffman tables are made for the image (smaller, slower) instead of the standard ones.
            12-bit images always get their own.
        restart_interval: Number of MCUs between restart markers, 0 to 65535; 0 for none.

    Returns:
        The file's bytes; `read_coefficients` gives the image back.

    Raises:
        ValueError: If the components do not make an image, a coefficient is too large for the tables, or the restart
            interval is not allowed.

    Source:
        ITU-T T.81 (1992), annexes B, F and K.

    Example:
        >>> from lossy_lightning.bitstream.jpeg import JPEGComponent
        >>> grey = JPEGComponent(np.zeros((1, 1, 8, 8), np.int16), np.full((8, 8), 16, np.uint16), (1, 1))
        >>> write_coefficients(JPEGCoefficients(8, 8, "grey", (grey,)))[:2].hex()
        'ffd8'
    """
    if not isinstance(restart_interval, int | np.integer) or not 0 <= restart_interval < 2**16:
        raise ValueError(f"restart_interval must be an integer, 0 to 65535; got {restart_interval!r}")
    frame, components, values = _flatten(image)
    scans = _tokenize_scans(image, frame, components, values, restart_interval)
    tokens = np.concatenate([tokens for _, tokens in scans])
    if (tokens["size"] > 15).any():
        raise ValueError("a difference of DC coefficients needs more than 15 bits; JPEG has no code for it")
    used = sorted(set(tokens["table"].tolist()) - {RESTART})
    if optimize or image.precision == 12:
        tables = {table: _optimal_table(tokens[tokens["table"] == table]["symbol"]) for table in used}
    else:
        tables = {table: STANDARD_HUFFMAN[table >> 2][table & 3] for table in used}
    codes, lengths = _codes(tables)
    coded = tokens[tokens["table"] != RESTART]
    if (lengths[coded["table"], coded["symbol"]] == 0).any():
        raise ValueError("a coefficient is too large for the standard Huffman tables; write with optimize=True")
    parts = [b"\xff\xd8", _application_segments(image), *_header_segments(image)]
    parts += [_segment(0xC4, bytes([(table >> 2) << 4 | table & 3]) + key) for table, key in tables.items()]
    if restart_interval > 0:
        parts.append(_segment(0xDD, struct.pack(">H", restart_interval)))
    for members, scan in scans:
        selectors = b"".join(bytes([c + 1, _destination(image, c) * 0x11]) for c in members)
        parts.append(_segment(0xDA, bytes([len(members)]) + selectors + bytes([0, 63, 0])))
        out = np.empty(8 * len(scan) + 8, np.uint8)
        parts.append(out[: emit(scan, codes, lengths, out)].tobytes())
    return b"".join([*parts, b"\xff\xd9"])


def _flatten(image: JPEGCoefficients) -> tuple[NDArray[np.void], NDArray[np.void], NDArray[np.int16]]:
    """The image as the kernels see it: frame, components, and all coefficients in one array."""
    if image.precision not in (8, 12) or not (0 < image.width < 2**16 and 0 < image.height < 2**16):
        raise ValueError(
            "precision must be 8 or 12, width and height 1 to 65535; "
            f"got {image.precision}, {image.width}x{image.height}"
        )
    if len(image.components) != _CHANNELS.get(image.color_space):
        raise ValueError(
            f"color_space must be one of {_CHANNELS} with so many components; got {image.color_space!r} with "
            f"{len(image.components)}"
        )
    frame, components = np.zeros(1, FRAME), np.zeros(4, COMPONENT)
    frame["width"], frame["height"], frame["num_components"] = image.width, image.height, len(image.components)
    for component, given in zip(components, image.components, strict=False):
        component["h"], component["v"] = given.sampling_factors
        if not (1 <= component["h"] <= 4 and 1 <= component["v"] <= 4):
            raise ValueError(f"sampling factors must be 1 to 4; got {given.sampling_factors}")
    frame["max_h"], frame["max_v"] = components["h"].max(), components["v"].max()
    lay_out(frame[0], components)
    for c, (component, given) in enumerate(zip(components, image.components, strict=False)):
        shape, allowed = given.coefficients.shape, (component["rows"], component["columns"], 8, 8)
        if given.coefficients.dtype != np.int16 or shape != allowed:
            raise ValueError(
                f"component {c} must be int16 {tuple(map(int, allowed))}; got {given.coefficients.dtype} {shape}"
            )
        table = given.quantization_table
        if table.shape != (8, 8) or table.dtype.kind not in "iu" or not 0 <= table.min() <= table.max() < 2**16:
            raise ValueError(
                f"quantization tables are 8 x 8 integers of 16 bits; component {c} has {table.dtype} {table.shape}, "
                f"{table.min()} to {table.max()}"
            )
    return frame, components, np.concatenate([given.coefficients.ravel() for given in image.components])


def _destination(image: JPEGCoefficients, component: int) -> int:
    """Huffman tables 1 for chrominance, 0 for all else."""
    return int(image.color_space in ("YCbCr", "YCCK") and component in (1, 2))


def _tokenize_scans(
    image: JPEGCoefficients,
    frame: NDArray[np.void],
    components: NDArray[np.void],
    values: NDArray[np.int16],
    restart_interval: int,
) -> list[tuple[list[int], NDArray[np.void]]]:
    """Components and tokens of each scan: one scan if an MCU has at most ten blocks, else one a component."""
    count = len(image.components)
    together = int((components["h"] * components["v"])[:count].sum()) <= 10
    scans = []
    for members in [list(range(count))] if together else [[c] for c in range(count)]:
        components["scan_order"] = -1
        components["scan_order"][members] = range(len(members))
        frame["scan_size"] = len(members)
        units = np.zeros(10, UNIT)
        used, per_row, num_mcus = plan_units(frame[0], components, units)
        destinations = np.array([_destination(image, c) for c in members])
        units["dc"] = destinations[units["order"]]
        units["ac"] = units["dc"] + 4
        tokens = np.empty(np.count_nonzero(values) + 5 * (len(values) // 64) + num_mcus, TOKEN)
        size = tokenize(values, units[:used], num_mcus, per_row, restart_interval, tokens)
        scans.append((members, tokens[:size]))
    return scans


def _optimal_table(symbols: NDArray[np.uint8]) -> bytes:
    counts, ordered = optimal_counts(np.bincount(symbols, minlength=256))
    return bytes(counts.tolist() + ordered.tolist())


def _codes(tables: dict[int, bytes]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes of all tables' symbols, and their lengths, 0 if there is none (T.81 C.2)."""
    codes, lengths = np.zeros((8, 256), np.int64), np.zeros((8, 256), np.int64)
    for table, key in tables.items():
        code, symbols = 0, iter(key[16:])
        for length in range(1, 17):
            for _ in range(key[length - 1]):
                symbol = next(symbols)
                codes[table, symbol], lengths[table, symbol] = code, length
                code += 1
            code <<= 1
    return codes, lengths


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _application_segments(image: JPEGCoefficients) -> bytes:
    """JFIF and Adobe segments, so that other readers find the same colour space."""
    segments = b""
    if image.color_space in ("grey", "YCbCr"):
        segments += _segment(0xE0, b"JFIF\0" + bytes([1, 1, 0, 0, 1, 0, 1, 0, 0]))
    if image.adobe or image.color_space in ("RGB", "YCCK"):
        transform = _ADOBE_TRANSFORM.get(image.color_space, 0)
        segments += _segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))
    return segments


def _header_segments(image: JPEGCoefficients) -> list[bytes]:
    """DQT and SOF."""
    tables: list[bytes] = []
    wide = any(component.quantization_table.max() > 255 for component in image.components)
    parameters = b""
    for c, component in enumerate(image.components):
        zigzag = component.quantization_table.reshape(64)[NATURAL_ORDER[:64]]
        table = zigzag.astype(">u2" if wide else np.uint8).tobytes()
        if table not in tables:
            tables.append(table)
        h, v = component.sampling_factors
        parameters += bytes([c + 1, h << 4 | v, tables.index(table)])
    start = struct.pack(">BHHB", image.precision, image.height, image.width, len(image.components))
    return [
        *(_segment(0xDB, bytes([wide << 4 | i]) + table) for i, table in enumerate(tables)),
        _segment(0xC1 if wide or image.precision == 12 else 0xC0, start + parameters),
    ]
