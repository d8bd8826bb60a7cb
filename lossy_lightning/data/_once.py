"""Files that are written once: by one process, while others wait, and whole or not at all."""

import io
import os
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lossy_lightning.core import InputError, RandomKey, TrainableCodec
from lossy_lightning.data._disk import locked, told_of_disk
from lossy_lightning.data._loading import read_once
from lossy_lightning.data.bad_files import BadFile, sift
from lossy_lightning.data.source import Source


def make_once(path: Path, make: Callable[[], Any]) -> Any:
    """What ``make`` returns, or what it returned before: it is kept in a file.

    One process at a time makes it; the others wait.

    Args:
        path: Of the file.
        make: Returns tensors, numbers and texts, or dictionaries or lists of them.
    """
    if is_intact(path):
        return load(path)  # without a lock, so from a folder that may not be written to
    with locked(path):
        if is_intact(path):
            return load(path)
        value = make()
        with told_of_disk(path.parent):
            save(value, path)
        return value


def fit_once(
    codec: TrainableCodec,
    examples: Source,
    path: Path,
    num_workers: int = 0,
    batch_size: int = 1024,
) -> None:
    """Fit a codec to the signals of a split, or load what was fitted to them before; torch's random numbers stay.

    Args:
        codec: Not fitted yet.
        examples: Pairs of signal and target.
        path: Of the fitted state, without its ending.
        num_workers: Of the loader that reads the signals.
        batch_size: Signals that the codec is handed at once; 1 if they differ in size.
    """
    key = RandomKey(("fit",))
    loader = read_once(examples, key, batch_size, num_workers, _stack_signals)

    def fit() -> dict[str, Any]:
        with key.everywhere():
            return codec.fit(_signals(loader, examples)).state_dict()

    codec.load_state_dict(make_once(path.with_suffix(".codec"), fit))


def save(value: Any, path: Path) -> None:
    """Write a value and its checksum under a temporary name first: whoever sees the file sees all of it."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    data = buffer.getvalue()
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data + zlib.crc32(data).to_bytes(4, "little"))
    os.replace(temporary, path)


def load(path: Path) -> Any:
    """The value in a file.

    Raises:
        ValueError: If its checksum is wrong.
    """
    content = path.read_bytes()
    data, checksum = content[:-4], int.from_bytes(content[-4:], "little")
    # torch.load itself does not notice a flipped bit.
    if not data or zlib.crc32(data) != checksum:
        raise InputError(f"the checksum of {path.name} is wrong")
    return torch.load(io.BytesIO(data), weights_only=True)


def is_intact(path: Path) -> bool:
    """Whether a file is there and whole; a damaged one is a warning."""
    if not path.exists():
        return False
    try:
        load(path)
    except Exception as error:
        warnings.warn(f"{path} is damaged ({error}); it is made anew", stacklevel=2)
        return False
    return True


def _signals(batches: Iterable[tuple[Tensor | None, list[BadFile]]], examples: Source) -> Iterator[Tensor]:
    """Batches of signals; bad files are noted."""
    for signals, bad in batches:
        if examples.log is not None:
            examples.log.add(bad)
        if signals is not None:
            yield signals


def _stack_signals(items: list[Any]) -> tuple[Tensor | None, list[BadFile]]:
    pairs, bad = sift(items)
    return (torch.stack([signal for signal, _ in pairs]) if pairs else None), bad
