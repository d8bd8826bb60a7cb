"""Blocks: what an item of a shard is, some hundred examples in a row of bytes.

A block is the number of its examples and the bytes that their targets take, each a little-endian uint32; the targets;
and then either the sizes of files, uint32, and the files themselves; or the sizes of the codes' grids, uint32, if they
vary, a byte for each channel that may be absent, and the codes' bits.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.core.described import describe, make

BLOCK = 256
"""Examples of a block."""
_HEAD = 8
_HERE, _ABSENT, _MIXED = range(3)  # of a channel in a block: no value is absent, all are, or some


class Body(NamedTuple):
    """Where the examples of a block lie in a chunk.

    Attributes:
        targets: Of the examples.
        starts: First bit of each code, or first byte of each file, in the chunk.
        sizes: Sizes of the codes' grids, ``(examples, axes)``; or bytes of the files, ``(examples, 1)``.
        states: Of the channels that may be absent.
    """

    targets: Any
    starts: NDArray[Any]
    sizes: NDArray[Any]
    states: bytes


def target_type(num_classes: int | None) -> str:
    """Type of integer targets, as an index names it."""
    return "int64" if num_classes is None else str(np.min_scalar_type(max(0, num_classes - 1)))


def write_files(files: Sequence[bytes], targets: Sequence[Any], kind: str) -> bytes:
    """A block of files."""
    sizes = np.array([len(file) for file in files], "<u4")
    return _headed(targets, kind) + sizes.tobytes() + b"".join(files)


def write_codes(codes: Sequence[Tensor], targets: Sequence[Any], kind: str, spec: CodeSpec) -> bytes:
    """A block of codes, each ``(C, *grid)``, at their true bit widths.

    Raises:
        ValueError: If a channel takes more bits than a word has.
    """
    from lossy_lightning.bitstream.packed import pack  # Numba, which takes long to import

    values = torch.cat([code.flatten(1).to(torch.int64) for code in codes], 1)
    states = _states(values, spec)
    row = torch.cat([code.flatten().to(torch.int64) for code in codes]).numpy()
    positions = np.array([code[0].numel() for code in codes], np.int64)
    grids = np.array([code.shape[1:] for code in codes], "<u4") if None in spec.grid else np.empty(0, "<u4")
    bits = pack(row, positions, channels_of(spec, states))
    return _headed(targets, kind) + grids.tobytes() + states + bits.tobytes()


def read_files(chunk: NDArray[Any], start: int, kind: str) -> Body:
    """A block of files, which begins at a byte of a chunk."""
    count, targets, place = _read_head(chunk, start, kind)
    sizes = chunk[place : place + 4 * count].view("<u4").astype(np.int64)
    return Body(targets, place + 4 * count + np.cumsum(sizes) - sizes, sizes[:, None], b"")


def read_codes(chunk: NDArray[Any], start: int, kind: str, spec: CodeSpec) -> Body:
    """A block of codes, which begins at a byte of a chunk."""
    from lossy_lightning.bitstream.packed import bits_of

    count, targets, place = _read_head(chunk, start, kind)
    axes = len(spec.grid)
    if None in spec.grid:
        stop = place + 4 * count * axes
        sizes = chunk[place:stop].view("<u4").astype(np.int64).reshape(count, axes)
        place = stop
    else:
        sizes = np.tile(np.array(spec.grid, np.int64), (count, 1))
    stop = place + sum(_may_be_absent(spec))
    states = chunk[place:stop].tobytes()
    bits = bits_of(channels_of(spec, states), sizes.prod(1))
    return Body(targets, 8 * stop + np.cumsum(bits) - bits, sizes, states)


def channels_of(spec: CodeSpec, states: bytes) -> Any:
    """The channels of a code, as its bits are read.

    Args:
        spec: Of the code.
        states: Of the channels that may be absent.

    Raises:
        ValueError: If a channel takes more bits than a word has.
    """
    from lossy_lightning.bitstream.packed import Channels
    from lossy_lightning.bitstream.packed.channels import MAX_BITS

    lows, widths = np.array(spec.low, np.int64), np.array(spec.bit_widths, np.int64)
    if widths.max() > MAX_BITS:
        raise InputError(f"shards hold codes of at most {MAX_BITS} bits a value; got {int(widths.max())}")
    once = np.repeat([field.constant for field in spec.fields], [field.num_channels for field in spec.fields])
    escapes, absent = np.full(len(lows), -1, np.int64), np.zeros(len(lows), np.int64)
    left = iter(states)
    for field in spec.fields:
        if field.absent is None:
            continue
        for channel in range(spec.channels(field.name).start, spec.channels(field.name).stop):
            state = next(left)
            if state == _ABSENT:
                lows[channel], widths[channel] = field.absent, 0
            elif state == _MIXED:
                escapes[channel], absent[channel] = spec.levels[channel], field.absent
                widths[channel] = spec.levels[channel].bit_length()
    return Channels(widths, lows, once, escapes, absent)


def batch_of(targets: Any, chosen: NDArray[Any]) -> Any:
    """Some of the targets: an array of integers, or a list."""
    return targets[chosen] if isinstance(targets, np.ndarray) else [targets[i] for i in chosen]


def _may_be_absent(spec: CodeSpec) -> list[int]:
    """Channels of each field that may be absent."""
    return [field.num_channels for field in spec.fields if field.absent is not None]


def _states(values: Tensor, spec: CodeSpec) -> bytes:
    states = bytearray()
    for field in spec.fields:
        if field.absent is not None:
            missing = values[spec.channels(field.name)] == field.absent
            every, some = missing.all(1).tolist(), missing.any(1).tolist()
            states += bytes(_ABSENT if a else _MIXED if s else _HERE for a, s in zip(every, some, strict=True))
    return bytes(states)


def _headed(targets: Sequence[Any], kind: str) -> bytes:
    """Number of examples, bytes of the targets, and the targets."""
    if kind == "json":
        data = json.dumps([describe(target) for target in targets]).encode()
    else:
        limits = np.iinfo(kind)
        if not all(type(target) is int and limits.min <= target <= limits.max for target in targets):
            raise InputError(
                f"the first targets are integers of the type {kind}, but later ones are not: {targets[:3]}"
            )
        data = np.array(targets, np.dtype(kind).newbyteorder("<")).tobytes()
    return np.array([len(targets), len(data)], "<u4").tobytes() + data


def _read_head(chunk: NDArray[Any], start: int, kind: str) -> tuple[int, Any, int]:
    """Number of examples, targets, and where the rest begins."""
    count, size = chunk[start : start + _HEAD].view("<u4").tolist()
    stop = start + _HEAD + size
    data = chunk[start + _HEAD : stop]
    if kind == "json":
        return count, [make(each) for each in json.loads(data.tobytes())], stop
    return count, data.view(np.dtype(kind).newbyteorder("<")).astype(np.int64), stop
