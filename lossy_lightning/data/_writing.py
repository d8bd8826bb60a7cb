"""The codes of a split, encoded chunk by chunk into one file."""

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from io import BufferedRandom
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map
from tqdm.auto import tqdm

from lossy_lightning.core import CodeSpec, InputError, RandomKey
from lossy_lightning.data._disk import check_room, told_of_disk
from lossy_lightning.data._loading import read_once
from lossy_lightning.data._once import is_intact, load, save
from lossy_lightning.data._seal import file_checksum, write_seal
from lossy_lightning.data._statistics import moments, statistics_of
from lossy_lightning.data.bad_files import BadFile, sift
from lossy_lightning.data.source import Part, Source, stack_by_size

_CHUNK_BYTES = 64 * 2**20
_CHUNK_EXAMPLES = 256  # if codes differ in size
_HEADER = 192  # bytes before the codes: NumPy's header, padded, is written last
_Codes = list[tuple[Tensor, tuple[Any, ...]]]


def write_codes(
    folder: Path,
    examples: Source,
    encode: Callable[[Tensor, Any], Tensor],
    spec: CodeSpec,
    num_workers: int = 0,
    encode_in_workers: bool = False,
) -> None:
    """Encode a split into ``folder``: ``codes.npy``, ``meta.pt`` and a seal.

    Chunks of the split are appended to the codes one by one; a run that was killed goes on from the last whole one. The
    folder has its name only when it is complete, and its seal only when all of it is on the disk. Of codes that differ
    in size few are in memory at a time.

    Args:
        folder: To be written; must not exist.
        examples: Pairs of signal and target; bad files among them are left out and noted, if their log allows that.
        encode: Codes ``(n, C, *grid)`` of a batch of signals and their targets.
        spec: Of the codes; every code is checked against it.
        num_workers: Of the loader that reads the signals.
        encode_in_workers: Whether these workers encode too, for codecs that run on the host, and so in parallel.

    Raises:
        ValueError: If there are no examples, a code does not fit the spec, or the disk is full.
    """
    total = len(examples)
    if not total:
        raise InputError(f"the split to be written to {folder} has no examples")
    partial_folder = folder.with_suffix(".partial")
    varies = None in spec.shape
    size = _CHUNK_EXAMPLES if varies else max(1, min(4096, _CHUNK_BYTES // max(1, spec.num_bits // 8)))
    encoder = Encoder(encode, spec, num_workers, encode_in_workers)
    with told_of_disk(folder.parent):
        partial_folder.mkdir(parents=True, exist_ok=True)
        bounds = [*range(0, total, size), total]
        chunks = [partial_folder / f"chunk-{start:09}.pt" for start in bounds[:-1]]
        # Only if it takes long, on a terminal.
        with (
            open(partial_folder / "codes.npy", "a+b") as file,
            tqdm(total=total, desc=f"encoding {folder.name}", delay=2, disable=None, leave=False) as progress,
        ):
            done = _go_on(file, chunks)
            progress.update(bounds[done])
            if not varies:
                check_room(folder.parent, (total - bounds[done]) * _bytes_of(spec))
            for chunk, (start, stop) in zip(chunks[done:], pairwise(bounds[done:]), strict=True):
                # A codec that draws random numbers goes on after an interruption as it would have without.
                with RandomKey(("encode", start)).everywhere():
                    encoded = encoder.append(file, Part(examples, range(start, stop)), progress.update)
                save(encoded, chunk)
        _complete(partial_folder, chunks, spec, examples)
        partial_folder.rename(folder)
        write_seal(folder)


def _go_on(file: BufferedRandom, chunks: list[Path]) -> int:
    """Number of chunks that are whole; what comes after them is cut off."""
    end, done = _HEADER, 0
    for chunk in chunks:
        if not is_intact(chunk):
            break
        part = load(chunk)
        if file_checksum(file, end, part["bytes"]) != part["checksum"]:
            break
        end, done = end + part["bytes"], done + 1
    file.truncate(end)  # a longer file becomes shorter, an empty one gets room for its header
    file.seek(end)
    return done


class Encoder:
    """Encodes parts of a split; the arguments are those of `write_codes`."""

    def __init__(
        self, encode: Callable[[Tensor, Any], Tensor], spec: CodeSpec, num_workers: int, in_workers: bool
    ) -> None:
        self.encode = encode
        self.spec = spec
        self.num_workers = num_workers
        self.in_workers = in_workers
        # What a worker encodes takes long: small batches keep all of them busy to the end. Whole signals may be long.
        self.batch_size = 4 if None in spec.shape else 16 if in_workers else 256

    def append(self, file: BufferedRandom, part: Source, on_encoded: Callable[[int], Any]) -> dict[str, Any]:
        """Append the codes of a part to a file, and return what else there is to keep of it."""
        grid_sizes: list[tuple[int, ...]] = []
        targets: list[Any] = []
        found: list[BadFile] = []
        total = torch.zeros(3, len(self.spec.low), dtype=torch.float64)
        start, checksum = file.tell(), 0
        for codes, bad in self.encoded(part):
            if part.log is not None:
                part.log.add(bad)
            found += bad
            for code, labels in codes:
                self.spec.check(code)
                values = code.to(self.spec.dtype).contiguous().numpy().reshape(-1).view(np.uint8)
                file.write(values.data)
                checksum = zlib.crc32(values.data, checksum)
                grid_sizes += [tuple(code.shape[2:])] * len(labels)
                targets += [tree_map(plain, label) for label in labels]
                total += moments(code, self.spec)
                on_encoded(len(labels))
        file.flush()
        return {
            "bytes": file.tell() - start,
            "checksum": checksum,
            "grid_sizes": torch.tensor(grid_sizes, dtype=torch.int64).reshape(len(targets), len(self.spec.grid)),
            "targets": targets,
            "moments": total,
            "bad": [[each.path, each.reason.name, each.message, each.mended] for each in found],
        }

    def encoded(self, part: Source) -> Iterator[tuple[_Codes, list[BadFile]]]:
        """Codes and targets of each batch of a part, those of one size together, and the bad files among them."""
        encode_items = partial(_encode_items, self.encode)
        collate = encode_items if self.in_workers else _as_items
        loader = read_once(part, RandomKey(("encode",)), self.batch_size, self.num_workers, collate)
        try:
            for batch in loader:
                yield batch if self.in_workers else encode_items(batch)
        except ValueError:
            _name_culprit(part, self.encode)
            raise


def _encode_items(encode: Callable[[Tensor, Any], Tensor], items: list[Any]) -> tuple[_Codes, list[BadFile]]:
    """Codes and labels, those of one size together, and the bad files among the items."""
    pairs, bad = sift(items)
    return [(encode(signals, labels).cpu(), labels) for signals, labels in stack_by_size(pairs)], bad


def plain(label: Any) -> Any:
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


def _name_culprit(part: Source, encode: Callable[[Tensor, Any], Tensor]) -> None:
    """Raise an error that names the example that cannot be encoded alone, if there is such a one."""
    for index in range(len(part)):
        pairs, _ = sift([part[index]] if part.log is None else part.fetch([index], RandomKey(("encode",))))
        for signal, label in pairs:
            try:
                encode(signal[None], (label,))
            except ValueError as error:
                raise InputError(f"{part.describe(index)} cannot be encoded: {error}") from error


def _bytes_of(spec: CodeSpec) -> int:
    """Bytes of a code in the cache."""
    return int(np.prod([size or 0 for size in spec.shape])) * spec.dtype.itemsize


def _complete(folder: Path, chunks: list[Path], spec: CodeSpec, examples: Source) -> None:
    """Write NumPy's header and what is known of all codes."""
    parts = [load(chunk) for chunk in chunks]
    grid_sizes = torch.cat([part["grid_sizes"] for part in parts])
    targets = [target for part in parts for target in part["targets"]]
    if not targets:
        log = examples.log
        raise InputError(f"no example of the split can be encoded{'' if log is None else f', {log.summary()}'}")
    varies = None in spec.shape
    fixed = (len(targets), *(size for size in spec.shape if size is not None))
    shape = (len(spec.low) * int(grid_sizes.prod(1).sum()),) if varies else fixed
    with open(folder / "codes.npy", "r+b") as file:
        file.write(_numpy_header(np.dtype(str(spec.dtype).removeprefix("torch.")), shape))
        checksum = file_checksum(file, _HEADER, sum(part["bytes"] for part in parts))
    mean, std = statistics_of(torch.stack([part["moments"] for part in parts]).sum(0))
    meta = {
        "targets": torch.tensor(targets) if all(type(target) is int for target in targets) else targets,
        "grid_sizes": grid_sizes if varies else None,
        "mean": mean,
        "std": std,
        "checksum": checksum,
        "bad": [bad for part in parts for bad in part["bad"]],
    }
    save(meta, folder / "meta.pt")
    for chunk in chunks:
        chunk.unlink()


def _numpy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The header of an array file, format 1.0, padded to a fixed length."""
    text = repr({"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}).encode("latin1")
    length = _HEADER - 10
    return b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + text.ljust(length - 1) + b"\n"


def _as_items(items: Any) -> Any:
    return items
