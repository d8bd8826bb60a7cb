"""The logged values of a folder, whichever loggers wrote them."""

import csv
import math
import re
import struct
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.util.tensor_util import make_ndarray

from lossy_lightning.core import InputError
from lossy_lightning.report._wandb import history

Curve = list[tuple[float, float]]
"""Epoch (or step, if no epoch was logged) and value of each point."""

EVENTS, CSV, WANDB = "events.out.tfevents.*", "metrics.csv", "*.wandb"
"""Files of TensorBoard, of Lightning's `CSVLogger` and of W&B."""


class Logs(NamedTuple):
    """What is logged in a folder.

    Attributes:
        curves: All points of each name.
        files: The files that hold them.
        damage: What is wrong with the files, if no logger's are whole.
        notes: Oddities that did not prevent reading.
    """

    curves: dict[str, Curve]
    files: list[Path]
    damage: list[str]
    notes: list[str]


class _Read(NamedTuple):
    """One kind of files: points (name, step, value), what is wrong, and oddities."""

    points: list[tuple[str, float, float]]
    damage: list[str]
    notes: list[str]


def read_logs(folder: Path) -> Logs:
    """All that is logged in a folder; whatever is in it, this does not raise.

    If several loggers wrote the same names, those of whole files are preferred, then those of TensorBoard.
    """
    files = {pattern: sorted(folder.glob(pattern)) for pattern in _READERS}
    read = [_read(_READERS[pattern], paths) for pattern, paths in files.items() if paths]
    read.sort(key=lambda one: bool(one.damage))
    whole = any(one.points and not one.damage for one in read)
    curves: dict[str, Curve] = {}
    for one in read:
        known = {plain_name(name) for name in curves}
        curves |= {name: curve for name, curve in _curves(one.points).items() if plain_name(name) not in known}
    damage = [text for one in read for text in one.damage]
    notes = [text for one in read for text in one.notes]
    return Logs(curves, list(chain(*files.values())), [] if whole else damage, damage + notes)


def _read(read_file: Callable[[Path], _Read], paths: list[Path]) -> _Read:
    all_read = _Read([], [], [])
    for path in paths:
        try:
            read = read_file(path)
        except Exception as error:  # whatever a parser says to bytes of another kind
            all_read.damage.append(f"{path.name} cannot be read: {type(error).__name__}: {error}")
            continue
        all_read.points.extend(read.points)
        all_read.damage.extend(read.damage)
        all_read.notes.extend(read.notes)
    return all_read


def plain_name(name: str) -> str:
    """A name as TensorBoard's writer of torch keeps it."""
    return re.sub(r"[^-/\w.]", "_", name).lstrip("/")


def _curves(points: list[tuple[str, float, float]]) -> dict[str, Curve]:
    """Curves by name, over epochs where these were logged at the same step."""
    epochs = {step: value for name, step, value in points if name == "epoch" and math.isfinite(value)}
    curves: dict[str, Curve] = {}
    for name, step, value in sorted(points, key=lambda point: point[1]):
        if name != "epoch":
            curves.setdefault(name, []).append((epochs.get(step, step), value))
    if {value for _, value in curves.get(_PLACEHOLDER, [])} == {-1.0}:
        del curves[_PLACEHOLDER]
    return curves


_PLACEHOLDER = "hp_metric"
"""Lightning logs -1 under this name, so that TensorBoard shows hyperparameters: no figure."""


def _events(path: Path) -> _Read:
    read, plugins, count = _Read([], [], []), dict[str, str](), 0
    try:
        for record in _records(path):
            event = Event.FromString(record)
            for value in event.summary.value:
                plugin = plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
                if value.HasField("simple_value"):
                    read.points.append((value.tag, event.step, value.simple_value))
                elif value.HasField("tensor") and plugin == "scalars":  # a summary of the new style
                    read.points.append((value.tag, event.step, float(make_ndarray(value.tensor).item())))
            count += 1
    except EOFError:
        read.damage.append(f"{path.name} ends within record {count}")
    except Exception:  # of bytes that are no events, or whose checksums differ
        read.damage.append(f"{path.name} is damaged at record {count}, or is no event file")
    if not count and not read.damage:
        read.damage.append(f"{path.name} is empty")
    return read


def _records(path: Path) -> Iterator[bytes]:
    """Records of a file.

    Raises:
        EOFError: If the file ends within one.
        ValueError: If a checksum differs.

    Source: TFRecord format: length (8 bytes), its masked CRC-32C (4), data, their masked CRC-32C (4).
    """
    size, position = path.stat().st_size, 0
    with path.open("rb") as file:
        while position < size:
            header = file.read(12)
            if len(header) < 12:
                raise EOFError
            length, checksum = struct.unpack("<QI", header)
            if masked_crc32c(header[:8]) != checksum:
                raise InputError("length")
            position += 16 + length
            if position > size:
                raise EOFError
            record = file.read(length)
            (checksum,) = struct.unpack("<I", file.read(4))
            if length <= _CHECKED_BYTES and masked_crc32c(record) != checksum:
                raise InputError("data")
            yield record


_CHECKED_BYTES = 4096
"""Longer records hold pictures; their checksums would take minutes in Python."""


def _csv(path: Path) -> _Read:
    read, other = _Read([], [], []), set[str]()
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.reader(file)
        names = _distinct(next(rows, []))
        if not names:
            return _Read([], [f"{path.name} is empty"], [])
        for line, row in enumerate(rows):
            if len(row) != len(names):
                if row:
                    read.damage.append(f"{path.name} has {len(row)} of {len(names)} values in line {rows.line_num}")
                continue
            numbers = {name: _number(cell) for name, cell in zip(names, row, strict=True) if cell.strip()}
            other |= {name for name, number in numbers.items() if number is None}
            found = {name: number for name, number in numbers.items() if number is not None}
            step = found.pop("step", float(line))
            position = step if math.isfinite(step) else float(line)
            read.points.extend((name, position, number) for name, number in found.items())
    if other:
        read.notes.append(f"{path.name} holds what is no number in {', '.join(sorted(other))}")
    return read


def _distinct(names: list[str]) -> list[str]:
    """Names, numbered from the second of a kind on."""
    return [f"{name} ({names[:i].count(name) + 1})" if name in names[:i] else name for i, name in enumerate(names)]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _wandb(path: Path) -> _Read:
    read = _Read([], [], [])
    try:
        for row, values in enumerate(history(path)):
            step = values.pop("trainer/global_step", float(row))
            position = step if math.isfinite(step) else float(row)
            read.points.extend((name, position, value) for name, value in values.items())
    except ValueError as error:
        read.damage.append(f"{path.name} {error}")
    return read


_READERS = {EVENTS: _events, CSV: _csv, WANDB: _wandb}
