"""The codes of a split on disk: written once in chunks, then memory-mapped and fetched by whole batches."""

import hashlib
import io
import math
import os
import shutil
import warnings
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.lib.format import open_memmap
from torch import Tensor
from torch.utils._pytree import tree_map
from torch.utils.data import DataLoader, Dataset, Subset, default_collate
from tqdm.auto import tqdm

from lossy_lightning.core import CodeSpec, CodeStatistics, InputError, TrainableCodec
from lossy_lightning.data._statistics import (
    moments,
    read_sample,
    stack_by_size,
    statistics_of,
)
from lossy_lightning.functional import pad_codes

_CHUNK_BYTES = 64 * 2**20
_CHUNK_EXAMPLES = 256  # where codes differ in size


class EncodedDataset(Dataset[tuple[Tensor, Any]]):
    """Codes and targets of one split, read from the folder that `write_codes` made.

    Codes are memory-mapped, so workers and ranks share one copy. A list of indices is fetched at once as one batch;
    give a `DataLoader` of your own ``collate_fn=EncodedDataset.collate``.

    Args:
        folder: Where the split lies.

    Attributes:
        codes: ``(N, C, *grid)``, in the smallest integer dtype of the spec; all values in one row, ``(values,)``, where
            codes differ in size.
        grid_sizes: ``(N, axes of the grid)`` where codes differ in size, else None; such codes are batched as
            ``(code, target, grid_size)``, padded.
        targets: ``(N,)`` int64 where all targets are integers, else a list.
        statistics: Mean and standard deviation of each channel.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        meta = _load(folder / "meta.pt")
        # Copy-on-write, because torch wants writable memory; nothing is copied unless somebody writes.
        self.codes = torch.from_numpy(np.load(folder / "codes.npy", mmap_mode="c"))
        self.grid_sizes: Tensor | None = meta["grid_sizes"]
        self.targets: Tensor | list[Any] = meta["targets"]
        self.statistics = CodeStatistics(meta["mean"], meta["std"])
        self._checksum: int = meta["checksum"]
        if self.grid_sizes is not None:
            values = len(self.statistics.mean) * self.grid_sizes.prod(1)
            self._starts = (values.cumsum(0) - values).tolist()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        return self._code(index), self.targets[index]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        # NumPy takes rows in half the time of torch, which matters beside the step of a small network.
        where = np.asarray(indices)
        if isinstance(self.targets, Tensor):
            target = torch.from_numpy(self.targets.numpy().take(where, 0))
        else:
            target = default_collate([self.targets[i] for i in indices])
        if self.grid_sizes is None:
            return torch.from_numpy(self.codes.numpy().take(where, 0)), target
        code, grid_size = pad_codes([self._code(i) for i in indices])
        return code, target, grid_size

    def __reduce__(self) -> tuple[type["EncodedDataset"], tuple[Path]]:
        return EncodedDataset, (self.folder,)  # a spawned worker maps the same file

    @staticmethod
    def collate(batch: Any) -> Any:
        """The batch itself, which `__getitems__` has put together."""
        return batch

    def _code(self, index: int) -> Tensor:
        if self.grid_sizes is None:
            return self.codes[index]
        channels = len(self.statistics.mean)
        grid = self.grid_sizes[index].tolist()
        return self.codes[self._starts[index] : self._starts[index] + channels * math.prod(grid)].view(channels, *grid)

    def check(self) -> None:
        """Compare the codes with the checksum made when they were written.

        Raises:
            ValueError: Where they differ.
        """
        if _checksum(self.codes.numpy()) != self._checksum:
            raise InputError("the checksum of the codes is wrong")


def open_codes(folder: Path, write: Callable[[], None]) -> EncodedDataset:
    """Open the split in ``folder``; where it is missing or damaged, call ``write`` first.

    One process at a time writes; the others wait for it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if folder.exists():
            try:
                dataset = EncodedDataset(folder)
                dataset.check()
                return dataset
            except Exception as error:
                warnings.warn(f"the codes in {folder} are damaged ({error}); they are made anew", stacklevel=2)
                shutil.rmtree(folder)
        write()
        return EncodedDataset(folder)


def write_codes(
    folder: Path,
    examples: Dataset[tuple[Tensor, Any]],
    encode: Callable[[Tensor, Any], Tensor],
    spec: CodeSpec,
    num_workers: int = 0,
    encode_in_workers: bool = False,
) -> None:
    """Encode a split into ``folder``: ``codes.npy`` and ``meta.pt``.

    Chunks of the split are written one by one beside it, and joined at the end; a run that was killed goes on from
    its chunks, and the folder has its name only when it is complete.

    Args:
        folder: Where to write; must not exist.
        examples: Pairs of signal and target.
        encode: Codes ``(n, C, *grid)`` of a batch of signals and their targets.
        spec: Of the codes; every code is checked against it.
        num_workers: Of the loader that reads the signals.
        encode_in_workers: Whether these workers encode too, for codecs that run on the host, and so in parallel.

    Raises:
        ValueError: Where there are no examples, or a code does not fit the spec.
    """
    total = len(examples)  # type: ignore[arg-type]
    if not total:
        raise InputError(f"the split to be written to {folder} has no examples")
    partial = folder.with_suffix(".partial")
    partial.mkdir(parents=True, exist_ok=True)
    size = _CHUNK_EXAMPLES if None in spec.shape else max(1, min(4096, _CHUNK_BYTES // max(1, spec.num_bits // 8)))
    chunks = [partial / f"chunk-{start:09}.pt" for start in range(0, total, size)]
    # Only where it takes long, on a terminal.
    with tqdm(total=total, desc=f"encoding {folder.name}", delay=2, disable=None, leave=False) as progress:
        for start, chunk in zip(range(0, total, size), chunks, strict=True):
            part = Subset(examples, range(start, min(start + size, total)))
            if _is_intact(chunk):
                progress.update(len(part))
                continue
            try:
                _save(_encode_chunk(part, encode, spec, num_workers, encode_in_workers, progress.update), chunk)
            except ValueError:
                _name_culprit(part, encode)
                raise
    _join(chunks, partial, spec)
    partial.rename(folder)


def make_once(path: Path, make: Callable[[], Any]) -> Any:
    """What ``make`` returns, or what it returned before: it is kept in a file.

    One process at a time makes it; the others wait.

    Args:
        path: Of the file.
        make: Returns tensors, numbers and texts, or dictionaries or lists of them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if _is_intact(path):
            return _load(path)
        value = make()
        _save(value, path)
        return value


def fit_once(
    codec: TrainableCodec,
    examples: Dataset[tuple[Tensor, Any]],
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
        batch_size: Signals that the codec is handed at once; 1 where they differ in size.
    """
    loader = DataLoader(examples, batch_size=batch_size, num_workers=num_workers, collate_fn=_stack_signals)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # examples may be cropped at random
        codec.load_state_dict(make_once(path.with_suffix(".codec"), lambda: codec.fit(loader).state_dict()))


def fingerprint_examples(examples: Dataset[tuple[Tensor, Any]]) -> str:
    """Text that tells two splits apart: their length, and a hash of 64 evenly spaced examples."""
    digest = hashlib.sha256()
    for signals, *targets in read_sample(examples, 64):
        digest.update(f"{signals.dtype}{tuple(signals.shape)}{targets}".encode())
        digest.update(signals.contiguous().numpy().tobytes())
    return f"{len(examples)} examples {digest.hexdigest()}"  # type: ignore[arg-type]


def _encode_chunk(
    part: Dataset[tuple[Tensor, Any]],
    encode: Callable[[Tensor, Any], Tensor],
    spec: CodeSpec,
    num_workers: int,
    encode_in_workers: bool,
    on_encoded: Callable[[int], Any],
) -> dict[str, Any]:
    encode_pairs = partial(_encode_pairs, encode)
    collate_fn = encode_pairs if encode_in_workers else _as_pairs
    # What a worker encodes takes long: small batches keep all of them busy to the end.
    batch_size = 16 if encode_in_workers else 256
    loader = DataLoader(part, batch_size=batch_size, num_workers=num_workers, collate_fn=collate_fn)
    values: list[Tensor] = []
    grid_sizes: list[tuple[int, ...]] = []
    targets: list[Any] = []
    total = torch.zeros(3, len(spec.low), dtype=torch.float64)
    for batch in loader:
        for code, labels in batch if encode_in_workers else encode_pairs(batch):
            spec.check(code)
            values.append(code.to(spec.dtype).flatten())
            grid_sizes += [tuple(code.shape[2:])] * len(labels)
            targets += [tree_map(_plain, label) for label in labels]
            total += moments(code)
            on_encoded(len(labels))
    sizes = torch.tensor(grid_sizes)
    return {"values": torch.cat(values), "grid_sizes": sizes, "targets": targets, "moments": total}


def _encode_pairs(
    encode: Callable[[Tensor, Any], Tensor], pairs: list[tuple[Tensor, Any]]
) -> list[tuple[Tensor, tuple[Any, ...]]]:
    """Codes and labels, those of one size together."""
    return [(encode(signals, labels).cpu(), labels) for signals, labels in stack_by_size(pairs)]


def _plain(label: Any) -> Any:
    """An integer, or what comes from NumPy, as the plain number or tensor that a file can hold."""
    match label:
        case np.ndarray():
            return torch.from_numpy(label)
        case np.generic():
            return label.item()
        case Tensor():
            return label.item() if label.ndim == 0 and not label.is_floating_point() else label
        case int() | float() | str() | bytes() | None:
            return label
    raise InputError(
        f"targets are numbers, texts, tensors or arrays, or dicts, lists and tuples of them; got {label!r}"
    )


def _name_culprit(part: Any, encode: Callable[[Tensor, Any], Tensor]) -> None:
    """Raise an error that names the file that cannot be encoded, if the examples are files and there is such a one."""
    indices: Sequence[int] = range(len(part))
    while isinstance(part, Subset):
        part, indices = part.dataset, [part.indices[index] for index in indices]
    for index in indices if hasattr(part, "files") else ():
        signal, label = part[index]
        try:
            encode(signal[None], (label,))
        except ValueError as error:
            raise InputError(f"{part.files[index][0]} cannot be encoded: {error}") from error


def _join(chunks: list[Path], partial: Path, spec: CodeSpec) -> None:
    parts = [{name: value for name, value in _load(chunk).items() if name != "values"} for chunk in chunks]
    grid_sizes = torch.cat([part["grid_sizes"] for part in parts])
    targets = [target for part in parts for target in part["targets"]]
    varies = None in spec.shape
    fixed = (len(targets), *(size for size in spec.shape if size is not None))
    shape = (len(spec.low) * int(grid_sizes.prod(1).sum()),) if varies else fixed
    dtype = np.dtype(str(spec.dtype).removeprefix("torch."))
    codes = open_memmap(partial / "codes.npy", mode="w+", dtype=dtype, shape=shape)
    start = 0
    for chunk in chunks:
        values = _load(chunk)["values"].numpy()
        codes.reshape(-1)[start : start + len(values)] = values
        start += len(values)
    codes.flush()
    mean, std = statistics_of(torch.stack([part["moments"] for part in parts]).sum(0))
    meta = {
        "targets": torch.tensor(targets) if all(type(target) is int for target in targets) else targets,
        "grid_sizes": grid_sizes if varies else None,
        "mean": mean,
        "std": std,
        "checksum": _checksum(codes),
    }
    _save(meta, partial / "meta.pt")
    for chunk in chunks:
        chunk.unlink()


def _stack_signals(pairs: list[tuple[Tensor, Any]]) -> Tensor:
    return torch.stack([signal for signal, _ in pairs])


def _as_pairs(pairs: list[tuple[Tensor, Any]]) -> list[tuple[Tensor, Any]]:
    return pairs


def _checksum(codes: np.ndarray[Any, Any]) -> int:
    return zlib.crc32(codes.reshape(-1).view(np.uint8).data)


def _save(value: Any, path: Path) -> None:
    """Write a value and its checksum under a temporary name first: whoever sees the file sees all of it."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    data = buffer.getvalue()
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data + zlib.crc32(data).to_bytes(4, "little"))
    os.replace(temporary, path)


def _load(path: Path) -> Any:
    content = path.read_bytes()
    data, checksum = content[:-4], int.from_bytes(content[-4:], "little")
    # torch.load itself does not notice a flipped bit.
    if zlib.crc32(data) != checksum:
        raise InputError(f"the checksum of {path.name} is wrong")
    return torch.load(io.BytesIO(data), weights_only=True)


def _is_intact(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        _load(path)
    except Exception as error:
        warnings.warn(f"{path} is damaged ({error}); it is made anew", stacklevel=2)
        return False
    return True
