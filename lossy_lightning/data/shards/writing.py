"""The codes of a data set as shards."""

import json
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_only
from tqdm.auto import tqdm

from lossy_lightning.core import InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.data._disk import locked, told_of_disk
from lossy_lightning.data._splits import Split
from lossy_lightning.data.encoded import EncodedDataModule
from lossy_lightning.data.shards._blocks import target_type
from lossy_lightning.data.shards._examples import Block, Examples
from lossy_lightning.data.shards._index import Chunk, ShardIndex, SplitIndex, described_codecs
from lossy_lightning.data.shards._store import Store, checksum_of

_ADVICE = "write to another place"
_SPLITS: tuple[Split, ...] = ("train", "val", "test")


def write_shards(
    data: EncodedDataModule,
    output: str | Path,
    chunk_bytes: int = 2**25,
    storage_options: dict[str, Any] | None = None,
) -> list[str]:
    """Write the codes of a data set as shards, which `ShardedCodes` reads: chunks of litdata, a folder a split.

    An item is a block of 256 examples: each code at its true bit widths, or its file's own bytes if the data set is one
    of files (JPEG stays JPEG). Training examples are put in an order that is drawn once. The codec is fitted first, as
    the data set does it; codes are not cached beside. ``data.num_workers`` processes read and encode.

    A run that was killed goes on behind the last whole chunk; when all is there, the shards are compared with their
    checksums instead, and only what is damaged, and what comes after it, is made anew. One process writes; in a folder
    a second one waits for it, and then compares.

    Args:
        data: The data set.
        output: Folder, or address such as ``s3://bucket/folder``.
        chunk_bytes: Size from which a chunk ends.
        storage_options: What litdata hands to the client of that store.

    Returns:
        Addresses of the index and the chunks.

    Raises:
        ValueError: If other codes are there already, the place is a file, a target is nothing that JSON holds,
            or there is no example.
        MisconfigurationException: If the data module changes codes in training; they have no fixed values. Or if this
            is one of several processes, and not the first.

    Example:
        >>> from lossy_lightning.codecs import VQ
        >>> from lossy_lightning.data import Digits, ShardedCodes
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     files = write_shards(Digits(VQ((2, 2), 16), cache_dir=folder), f"{folder}/shards")
        ...     shards = ShardedCodes(f"{folder}/shards")
        ...     code, target = next(iter(shards.test_dataloader()))
        >>> code.shape, code.dtype, shards.codec
        (torch.Size([64, 1, 4, 4]), torch.uint8, VQ(block=(2, 2), levels=16, seed=0))
    """
    if data.transform is not None or data.augmentation is not None:
        raise MisconfigurationException("a transform or augmentation draws codes anew each epoch; write without it")
    check_integers(1, chunk_bytes=chunk_bytes)
    if rank := getattr(rank_zero_only, "rank", 0):  # Lightning sets it on its function
        raise MisconfigurationException(
            f"shards are written by one process, whose workers encode side by side, but this is rank {rank}: write "
            "them before the training, by a job of one task"
        )
    store = Store(output, storage_options)
    store.check_place()
    for codec in data.codecs.named.values():
        codec.prepare()
    data.check_files()
    if data.codecs.trainable:
        data._preparation().fit(lambda: data._examples(data.signals, "train"))
    found = {split: examples for split in _SPLITS if (examples := Examples.of(data, split)) is not None}
    if not found:
        raise InputError(f"{type(data).__name__} has no example to write")
    with ExitStack() as stack:
        if store.folder is not None:
            stack.enter_context(locked(store.folder / "codes", _ADVICE))
            stack.enter_context(told_of_disk(store.folder, _ADVICE))
        index = _begun(store, _index_of(data, found))
        for split, examples in found.items():
            _write_split(store, index, split, examples, chunk_bytes)
        index.complete = True
        index.write(store)
    names = [chunk.name for split in index.splits.values() for chunk in split.chunks]
    return [store.address(name) for name in ("codes.json", *names)]


def _index_of(data: EncodedDataModule, found: dict[Split, Examples]) -> ShardIndex:
    """The index of shards that are still to be written."""
    codecs, tensors = described_codecs(data.codecs)
    spec, num_classes = data.spec, getattr(data, "num_classes", None)
    first = next(iter(found.values()))
    return ShardIndex(
        codecs=codecs,
        spec={"fields": [field._asdict() for field in spec.fields], "grid": spec.grid},
        signal_shape=list(data.signal_shape),
        num_classes=num_classes,
        classes=None if data.classes is None else list(data.classes),
        sample_rate=data.sample_rate,
        files=first.files is not None,
        targets=target_type(num_classes) if type(first.first_target()) is int else "json",
        splits={split: SplitIndex(examples.fingerprint, len(examples.order)) for split, examples in found.items()},
        tensors=tensors,
    )


def _begun(store: Store, new: ShardIndex) -> ShardIndex:
    """What is there of these shards already, or the new index.

    Raises:
        ValueError: If other shards are there.
    """
    old = ShardIndex.read(store)
    if old is None:
        return new
    mine, theirs = new.same_data(), old.same_data()
    for name in mine:
        if mine[name] != theirs[name]:
            raise InputError(
                f"{store.url} holds shards whose {name} are {_short(theirs[name])}, not {_short(mine[name])}: write to "
                "another place, or remove them"
            )
    return old


def _write_split(store: Store, index: ShardIndex, split: Split, examples: Examples, chunk_bytes: int) -> None:
    """Write what is missing of a split."""
    shards = index.splits[split]
    whole = 0
    total = len(examples.order)
    with tqdm(total=total, desc=f"shards of {split}", delay=2, disable=None, leave=False) as progress:
        for chunk in shards.chunks:
            if not store.is_intact(chunk.stored):
                break
            whole += 1
            progress.update(chunk.positions)
        if whole < len(shards.chunks):
            del shards.chunks[whole:]
            index.complete = False
        done = sum(chunk.positions for chunk in shards.chunks)
        waiting: list[Block] = []
        for block in examples.blocks(done, index.targets):
            waiting.append(block)
            if examples.source.log is not None:
                examples.source.log.add(block.bad)
            progress.update(block.positions)
            if sum(len(each.data) for each in waiting) >= chunk_bytes:
                _write_chunk(store, index, split, waiting)
                waiting = []
        if waiting:
            _write_chunk(store, index, split, waiting)
    if examples.source.log is not None:
        examples.source.log.tell()
    if not len(shards):
        log = examples.source.log
        raise InputError(f"no example of {split} can be written{'' if log is None else f', {log.summary()}'}")


def _write_chunk(store: Store, index: ShardIndex, split: Split, blocks: list[Block]) -> None:
    """Write a chunk, what litdata and what we know of it: in this order, so that half a chunk is never read."""
    shards = index.splits[split]
    name = f"{split}/chunk-0-{len(shards.chunks)}.bin"
    good = [block for block in blocks if block.examples]
    positions = sum(block.positions for block in blocks)
    sums = torch.stack([block.moments for block in blocks]).sum(0).tolist() if split == "train" else []
    bad = [[each.path, each.reason.name, each.message, each.mended] for block in blocks for each in block.bad]
    shards.bad += [each for each in bad if each not in shards.bad]  # a chunk that is made anew has told them before
    if not good:
        return
    with tempfile.TemporaryDirectory(dir=_beside(store), prefix=".writing-") as folder:
        told = _engine_writes(Path(folder), [block.data for block in good], len(shards.chunks))
        path = Path(folder, told["chunks"][0]["filename"])
        size, checksum = path.stat().st_size, checksum_of(path)
        store.move(path, name)
    shards.chunks.append(Chunk(name, size, checksum, [block.examples for block in good], positions, sums))
    entries = [
        {
            "chunk_bytes": chunk.num_bytes,
            "chunk_size": len(chunk.counts),
            "dim": None,
            "filename": Path(chunk.name).name,
        }
        for chunk in shards.chunks
    ]
    config = told["config"] | {"chunk_size": max(len(chunk.counts) for chunk in shards.chunks)}
    store.write(f"{split}/index.json", json.dumps({"chunks": entries, "config": config, "updated_at": "0"}).encode())
    index.write(store)


def _engine_writes(folder: Path, blocks: list[bytes], number: int) -> dict[str, Any]:
    """Have litdata write a chunk of blocks; returns what it says of it."""
    from litdata.streaming.writer import BinaryWriter  # it takes a second to import

    writer = BinaryWriter(str(folder), chunk_size=len(blocks), chunk_index=number)
    for i, block in enumerate(blocks):
        writer.add_item(i, block)
    writer.done()
    (told,) = folder.glob("*.index.json")
    return json.loads(told.read_text())  # type: ignore[no-any-return]


def _beside(store: Store) -> Path | None:
    """Where a chunk is written before it is moved: on the same disk. What a killed run left there is removed."""
    if store.folder is None:
        return None
    store.folder.mkdir(parents=True, exist_ok=True)
    for left in store.folder.glob(".writing-*"):
        shutil.rmtree(left)
    return store.folder


def _short(value: Any) -> str:
    text = ", ".join(f"{name}={each}" for name, each in value.items()) if isinstance(value, dict) else str(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
