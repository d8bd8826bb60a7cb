"""Columns of a header table as traces of an encoder: numbers that trees split, and words that people read."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_MOST_CATEGORIES = 200  # of a column of text; the rarer ones become one


class Trace(NamedTuple):
    """One thing that headers tell of the encoder.

    Attributes:
        name: As people read it.
        columns: Of the header table, all shuffled together when its importance is measured.
        shown: Text of a row.
    """

    name: str
    columns: tuple[str, ...]
    shown: Callable[[np.void], str]


def _tables(row: np.void) -> str:
    return f"q{row['quality']}" if row["quality"] >= 0 else f"tables {row['tables']}" if row["tables"] else ""


def _components(row: np.void) -> str:
    return f"{row['components']} x {row['precision']} bit"


def _scans(row: np.void) -> str:
    if row["progressive"] < 0:
        return ""
    return f"progressive ({row['scans']} scans)" if row["progressive"] else "baseline"


def _metadata(row: np.void) -> str:
    names = ("exif", "icc", "comment", "jfif", "adobe", "xmp", "id3", "encoder_tag")
    return " + ".join(name.replace("_", " ") for name in names if row[name] == 1) or "no metadata"


def _bit_rate(row: np.void) -> str:
    return (
        "variable rate"
        if row["variable_rate"] == 1
        else f"{row['bit_rate'] / 1000:g} kbit/s"
        if row["bit_rate"] > 0
        else ""
    )


def _channels(row: np.void) -> str:
    return " ".join(filter(None, [f"{row['channels']} ch" if row["channels"] > 0 else "", str(row["mode"])]))


TRACES = (
    Trace("format", ("format",), lambda row: str(row["format"])),
    Trace("quantization tables", ("tables", "quality"), _tables),
    Trace("chroma subsampling", ("subsampling",), lambda row: str(row["subsampling"])),
    Trace(
        "components and precision",
        ("components", "precision"),
        lambda row: f"{row['components']} x {row['precision']} bit",
    ),
    Trace("scans", ("progressive", "scans"), _scans),
    Trace("Huffman tables", ("huffman",), lambda row: str(row["huffman"])),
    Trace("restart interval", ("restart_interval",), lambda row: f"restart every {row['restart_interval']}"),
    Trace("size", ("width", "height", "aspect"), lambda row: f"{row['width']}x{row['height']}"),
    Trace(
        "metadata",
        ("exif", "icc", "comment", "jfif", "adobe", "xmp", "id3", "encoder_tag", "segments"),
        _metadata,
    ),
    Trace("sampling rate", ("sample_rate",), lambda row: f"{row['sample_rate']} Hz"),
    Trace("channels and mode", ("channels", "mode"), _channels),
    Trace("bit rate", ("bit_rate", "variable_rate"), _bit_rate),
    Trace("encoder delay", ("encoder_delay",), lambda row: f"delay {row['encoder_delay']}"),
)


class Features(NamedTuple):
    """What trees read.

    Attributes:
        values: float64 ``(files, columns)``.
        categorical: Whether a column is a category.
        traces: Name of a trace -> its columns' numbers; traces that are equal in all files are left out.
    """

    values: NDArray[np.float64]
    categorical: NDArray[np.bool_]
    traces: dict[str, list[int]]


def encoder_features(table: NDArray[np.void]) -> Features:
    """The traces of the encoder."""
    columns: list[NDArray[np.float64]] = []
    categorical: list[bool] = []
    traces: dict[str, list[int]] = {}
    for trace in TRACES:
        for name in trace.columns:
            values, is_category = _column(table, name)
            if len(values) and (values != values[0]).any():
                traces.setdefault(trace.name, []).append(len(columns))
                columns.append(values)
                categorical.append(is_category)
    stacked = np.stack(columns, 1) if columns else np.zeros((len(table), 0))
    return Features(stacked, np.array(categorical, bool), traces)


def size_features(table: NDArray[np.void]) -> Features:
    """Bytes per sample: per pixel of images, per sample of a channel of sounds."""
    images = table["width"].astype(np.float64) * table["height"]
    samples = np.where(table["width"] > 0, images, table["samples"])
    values = table["bytes"] / np.maximum(samples, 1)
    return Features(values[:, None], np.zeros(1, bool), {"bytes per sample": [0]})


def shown(table: NDArray[np.void], names: Sequence[str]) -> NDArray[np.str_]:
    """Text of each row's values of some traces."""
    chosen = [trace for trace in TRACES if trace.name in names]
    return np.array([" ".join(filter(None, (trace.shown(row) for trace in chosen))) or "nothing" for row in table])


def _column(table: NDArray[np.void], name: str) -> tuple[NDArray[np.float64], bool]:
    if name == "aspect":
        return table["width"] / np.maximum(table["height"], 1), False
    column = table[name]
    if column.dtype.kind != "U":
        return column.astype(np.float64), False
    kinds, numbers, counts = np.unique(column, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    ranks = np.empty(len(kinds), np.float64)
    ranks[order] = np.minimum(np.arange(len(kinds)), _MOST_CATEGORIES)
    return ranks[numbers], True
