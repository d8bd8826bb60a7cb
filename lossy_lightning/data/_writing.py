"""The codes of a split, encoded in chunks and joined to one file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor
from torch.utils._pytree import tree_map
from tqdm.auto import tqdm

from lossy_lightning.core import CodeSpec, InputError, RandomKey
from lossy_lightning.data._loading import read_once
from lossy_lightning.data._once import is_intact, load, save
from lossy_lightning.data._seal import checksum, write_seal
from lossy_lightning.data._statistics import moments, statistics_of
from lossy_lightning.data.source import Part, Source, stack_by_size

_CHUNK_BYTES = 64 * 2**20
_CHUNK_EXAMPLES = 256  # if codes differ in size


def write_codes(
    folder: Path,
    examples: Source,
    encode: Callable[[Tensor, Any], Tensor],
    spec: CodeSpec,
    num_workers: int = 0,
    encode_in_workers: bool = False,
) -> None:
    """Encode a split into ``folder``: ``codes.npy``, ``meta.pt`` and a seal.

    Chunks of the split are written one by one beside it, and joined at the end; a run that was killed goes on from
    its chunks. The folder has its name only when it is complete, and its seal only when all of it is on the disk.

    Args:
        folder: To be written; must not exist.
        examples: Pairs of signal and target.
        encode: Codes ``(n, C, *grid)`` of a batch of signals and their targets.
        spec: Of the codes; every code is checked against it.
        num_workers: Of the loader that reads the signals.
        encode_in_workers: Whether these workers encode too, for codecs that run on the host, and so in parallel.

    Raises:
        ValueError: If there are no examples, or a code does not fit the spec.
    """
    total = len(examples)
    if not total:
        raise InputError(f"the split to be written to {folder} has no examples")
    partial = folder.with_suffix(".partial")
    partial.mkdir(parents=True, exist_ok=True)
    size = _CHUNK_EXAMPLES if None in spec.shape else max(1, min(4096, _CHUNK_BYTES // max(1, spec.num_bits // 8)))
    chunks = [partial / f"chunk-{start:09}.pt" for start in range(0, total, size)]
    # Only if it takes long, on a terminal.
    with tqdm(total=total, desc=f"encoding {folder.name}", delay=2, disable=None, leave=False) as progress:
        for start, chunk in zip(range(0, total, size), chunks, strict=True):
            part = Part(examples, range(start, min(start + size, total)))
            if is_intact(chunk):
                progress.update(len(part))
                continue
            try:
                # A codec that draws random numbers goes on after an interruption as it would have without.
                with RandomKey(("encode", start)).everywhere():
                    encoded = _encode_chunk(part, encode, spec, num_workers, encode_in_workers, progress.update)
                save(encoded, chunk)
            except ValueError:
                _name_culprit(part, encode)
                raise
    _join(chunks, partial, spec)
    partial.rename(folder)
    write_seal(folder)


def _encode_chunk(
    part: Source,
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
    loader = read_once(part, RandomKey(("encode",)), batch_size, num_workers, collate_fn)
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
            total += moments(code, spec)
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


def _name_culprit(part: Source, encode: Callable[[Tensor, Any], Tensor]) -> None:
    """Raise an error that names the example that cannot be encoded alone, if there is such a one."""
    for index in range(len(part)):
        signal, label = part[index]
        try:
            encode(signal[None], (label,))
        except ValueError as error:
            raise InputError(f"{part.describe(index)} cannot be encoded: {error}") from error


def _join(chunks: list[Path], partial: Path, spec: CodeSpec) -> None:
    parts = [{name: value for name, value in load(chunk).items() if name != "values"} for chunk in chunks]
    grid_sizes = torch.cat([part["grid_sizes"] for part in parts])
    targets = [target for part in parts for target in part["targets"]]
    varies = None in spec.shape
    fixed = (len(targets), *(size for size in spec.shape if size is not None))
    shape = (len(spec.low) * int(grid_sizes.prod(1).sum()),) if varies else fixed
    dtype = np.dtype(str(spec.dtype).removeprefix("torch."))
    codes = open_memmap(partial / "codes.npy", mode="w+", dtype=dtype, shape=shape)
    start = 0
    for chunk in chunks:
        values = load(chunk)["values"].numpy()
        codes.reshape(-1)[start : start + len(values)] = values
        start += len(values)
    codes.flush()
    mean, std = statistics_of(torch.stack([part["moments"] for part in parts]).sum(0))
    meta = {
        "targets": torch.tensor(targets) if all(type(target) is int for target in targets) else targets,
        "grid_sizes": grid_sizes if varies else None,
        "mean": mean,
        "std": std,
        "checksum": checksum(codes),
    }
    save(meta, partial / "meta.pt")
    for chunk in chunks:
        chunk.unlink()


def _as_pairs(pairs: list[tuple[Tensor, Any]]) -> list[tuple[Tensor, Any]]:
    return pairs
