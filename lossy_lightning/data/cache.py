"""The codes of a split on disk: written once in chunks, then memory-mapped and fetched by whole batches."""

import hashlib
import io
import math
import os
import shutil
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, default_collate

from lossy_lightning.codes import CodeSpec, CodeStatistics, TrainableCodec

_CHUNK_BYTES = 64 * 2**20


class EncodedDataset(Dataset[tuple[Tensor, Any]]):
    """Codes and targets of one split, read from the folder that `write_codes` made.

    Codes are memory-mapped, so workers and ranks share one copy. A list of indices is fetched at once as one batch;
    give a `DataLoader` of your own ``collate_fn=EncodedDataset.collate``.

    Args:
        folder: Where the split lies.

    Attributes:
        codes: ``(N, C, *grid)``, in the smallest integer dtype of the spec.
        targets: ``(N,)`` int64 where all targets are integers, else a list.
        statistics: Mean and standard deviation of each channel.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        meta = _load(folder / "meta.pt")
        # Copy-on-write, because torch wants writable memory; nothing is copied unless somebody writes.
        self.codes = torch.from_numpy(np.load(folder / "codes.npy", mmap_mode="c"))
        self.targets: Tensor | list[Any] = meta["targets"]
        self.statistics = CodeStatistics(meta["mean"], meta["std"])
        self._checksum: int = meta["checksum"]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        return self.codes[index], self.targets[index]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Any]:
        # NumPy takes rows in half the time of torch, which matters beside the step of a small network.
        where = np.asarray(indices)
        codes = torch.from_numpy(self.codes.numpy().take(where, 0))
        if isinstance(self.targets, Tensor):
            return codes, torch.from_numpy(self.targets.numpy().take(where, 0))
        return codes, default_collate([self.targets[i] for i in indices])

    def __reduce__(self) -> tuple[type["EncodedDataset"], tuple[Path]]:
        return EncodedDataset, (self.folder,)  # a spawned worker maps the same file

    @staticmethod
    def collate(batch: Any) -> Any:
        """The batch itself, which `__getitems__` has put together."""
        return batch

    def check(self) -> None:
        """Compare the codes with the checksum made when they were written.

        Raises:
            ValueError: Where they differ.
        """
        if len(self.codes) != len(self.targets) or _checksum(self.codes.numpy()) != self._checksum:
            raise ValueError("the checksum of the codes is wrong")


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

    Raises:
        ValueError: Where there are no examples, or a code does not fit the spec.
    """
    total = len(examples)  # type: ignore[arg-type]
    if not total:
        raise ValueError(f"the split to be written to {folder} has no examples")
    partial = folder.with_suffix(".partial")
    partial.mkdir(parents=True, exist_ok=True)
    size = max(1, min(4096, _CHUNK_BYTES // max(1, spec.num_bits // 8)))
    chunks = [partial / f"chunk-{start:09}.pt" for start in range(0, total, size)]
    for start, chunk in zip(range(0, total, size), chunks, strict=True):
        if not _is_intact(chunk):
            part = Subset(examples, range(start, min(start + size, total)))
            _save(_encode_chunk(part, encode, spec, num_workers), chunk)
    _join(chunks, total, partial, spec)
    partial.rename(folder)


def fit_once(codec: TrainableCodec, examples: Dataset[tuple[Tensor, Any]], path: Path, num_workers: int = 0) -> None:
    """Fit a codec to the signals of a split, or load what was fitted to them before.

    One process at a time fits; the others wait for it.

    Args:
        codec: Not fitted yet.
        examples: Pairs of signal and target.
        path: Of the fitted state, without its ending.
        num_workers: Of the loader that reads the signals.
    """
    state = path.with_suffix(".codec")
    state.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if _is_intact(state):
            codec.load_state_dict(_load(state))
        else:
            codec.fit(DataLoader(examples, batch_size=1024, num_workers=num_workers, collate_fn=_stack_signals))
            _save(codec.state_dict(), state)


def fingerprint_examples(examples: Dataset[tuple[Tensor, Any]]) -> str:
    """Text that tells two splits apart: their length, and a hash of 64 evenly spaced examples."""
    total = len(examples)  # type: ignore[arg-type]
    digest = hashlib.sha256()
    for signal, target in (examples[index] for index in evenly_spaced(total, 64)):
        digest.update(f"{signal.dtype}{tuple(signal.shape)}{target}".encode())
        digest.update(signal.contiguous().numpy().tobytes())
    return f"{total} examples {digest.hexdigest()}"


def evenly_spaced(total: int, most: int) -> list[int]:
    """At most ``most`` indices below ``total``, evenly spaced, the first and the last among them."""
    return sorted({round(index) for index in np.linspace(0, total - 1, min(most, total)).tolist()})


def _encode_chunk(
    part: Dataset[tuple[Tensor, Any]],
    encode: Callable[[Tensor, Any], Tensor],
    spec: CodeSpec,
    num_workers: int,
) -> tuple[Tensor, list[Any]]:
    loader = DataLoader(part, batch_size=256, num_workers=num_workers, collate_fn=_as_pairs)
    codes: list[Tensor] = []
    targets: list[Any] = []
    for batch in loader:
        signals, labels = zip(*batch, strict=True)
        code = encode(torch.stack(signals), labels)
        spec.check(code)
        codes.append(code.cpu().to(spec.dtype))
        targets += map(_plain, labels)
    return torch.cat(codes), targets


def _plain(label: Any) -> Any:
    """An integer, or what comes from NumPy, as the plain number or tensor that a file can hold."""
    if isinstance(label, np.ndarray):
        return torch.from_numpy(label)
    integer = isinstance(label, Tensor) and label.ndim == 0 and not label.is_floating_point()
    return label.item() if integer or isinstance(label, np.generic) else label


def _join(chunks: list[Path], total: int, partial: Path, spec: CodeSpec) -> None:
    shape = tuple(size for size in spec.shape if size is not None)
    dtype = np.dtype(str(spec.dtype).removeprefix("torch."))
    codes = np.lib.format.open_memmap(partial / "codes.npy", mode="w+", dtype=dtype, shape=(total, *shape))
    targets: list[Any] = []
    moments = torch.zeros(2, shape[0], dtype=torch.float64)
    for chunk in chunks:
        code, labels = _load(chunk)
        codes[len(targets) : len(targets) + len(code)] = code.numpy()
        targets += labels
        values = code.transpose(0, 1).flatten(1).double()
        moments += torch.stack([values.sum(1), values.square().sum(1)])
    codes.flush()
    mean, square = moments / (total * math.prod(shape[1:]))
    meta = {
        "targets": torch.tensor(targets) if all(type(label) is int for label in targets) else targets,
        "mean": mean.float(),
        "std": (square - mean.square()).clamp(min=0).sqrt().float(),
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
        raise ValueError(f"the checksum of {path.name} is wrong")
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
