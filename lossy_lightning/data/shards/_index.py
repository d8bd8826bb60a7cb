"""What is known of shards: a file of JSON beside them, and one of fitted tensors."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lossy_lightning import __version__
from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, Field, InputError, MissingFileError
from lossy_lightning.core.described import describe_codec, make_codec
from lossy_lightning.data._chosen_codecs import ChosenCodecs
from lossy_lightning.data._statistics import statistics_of
from lossy_lightning.data.shards._store import Store, Stored

_NAME = "codes.json"
_TENSORS = "codecs.safetensors"
_FORMAT = 1


class Chunk(NamedTuple):
    """A file of blocks.

    Attributes:
        name: Of the file.
        num_bytes: Its size.
        checksum: CRC-32 of its bytes.
        counts: Examples of each block.
        positions: Examples of the source that were read for it; the others were bad files.
        moments: `moments` of its codes, of training; else empty.
    """

    name: str
    num_bytes: int
    checksum: int
    counts: list[int]
    positions: int
    moments: list[list[float]]

    @property
    def stored(self) -> Stored:
        """The file."""
        return Stored(self.name, self.num_bytes, self.checksum)


@dataclass
class SplitIndex:
    """The shards of a split.

    Attributes:
        source: Fingerprint of the examples that they were made of.
        total: Number of these.
        chunks: The files, in order.
        bad: Paths of files that were left out or mended, and what is wrong with them.
    """

    source: str
    total: int
    chunks: list[Chunk] = field(default_factory=list)
    bad: list[list[Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(sum(chunk.counts) for chunk in self.chunks)

    def sizes(self) -> NDArray[Any]:
        """Examples of each chunk."""
        return np.array([sum(chunk.counts) for chunk in self.chunks], np.int64)


@dataclass
class ShardIndex:
    """What is known of shards.

    Attributes:
        codecs: Description and fingerprint of each codec, by name.
        spec: Of the codes, as JSON.
        signal_shape: Of a signal; None if it varies.
        num_classes: Number of classes; None if targets are none.
        classes: Their names.
        sample_rate: Of sounds, in Hz.
        files: Whether blocks hold files of the codec's standard, and not packed codes.
        targets: Type of the targets: of integers, or "json".
        splits: Their shards.
        complete: Whether all is written.
        tensors: Fitted tensors of the codecs, by name; they are a file of their own.
    """

    codecs: dict[str, dict[str, Any]]
    spec: dict[str, Any]
    signal_shape: list[int | None]
    num_classes: int | None
    classes: list[str] | None
    sample_rate: int | None
    files: bool
    targets: str
    splits: dict[str, SplitIndex]
    complete: bool = False
    tensors: dict[str, NDArray[Any]] = field(default_factory=dict)

    def write(self, store: Store) -> None:
        """Write it beside the shards; tensors come first, for the text says that all is there."""
        told = asdict(self)
        del told["tensors"]
        for name, split in self.splits.items():
            told["splits"][name]["chunks"] = [chunk._asdict() for chunk in split.chunks]
        if store.read(_TENSORS) is None:
            store.write(_TENSORS, save(self.tensors))
        text = json.dumps({"format": _FORMAT, "lossy_lightning": __version__, **told})
        store.write(_NAME, text.encode())

    @classmethod
    def read(cls, store: Store) -> "ShardIndex | None":
        """That of shards which are there; None if there are none.

        Raises:
            ValueError: If it is damaged, or of another version.
        """
        text = store.read(_NAME)
        if text is None:
            return None
        try:
            told = json.loads(text)
            version = told.pop("format"), told.pop("lossy_lightning")
            if version[0] == _FORMAT:
                return cls._made(told, load(store.read(_TENSORS) or b""))
        except (KeyError, TypeError, AttributeError, ValueError, SafetensorError) as error:
            # What is there may be whole but for this file; yet it is not known which codes these are.
            raise InputError(
                f"{store.address(_NAME)} or {_TENSORS} is damaged ({type(error).__name__}: {error}): remove "
                f"{store.url}, and write the shards anew"
            ) from error
        raise InputError(
            f"{store.url} holds shards of another version, {version[1]}: remove them, and write the shards anew"
        )

    @classmethod
    def _made(cls, told: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> "ShardIndex":
        for name, split in told["splits"].items():
            chunks = [Chunk(**chunk) for chunk in split.pop("chunks")]
            told["splits"][name] = SplitIndex(**split, chunks=chunks)
        return cls(**told, tensors=tensors)

    @classmethod
    def opened(cls, store: Store) -> "ShardIndex":
        """That of shards which are to be read.

        Raises:
            FileNotFoundError: If there are none.
            ValueError: If they are not written to the end.
        """
        index = cls.read(store)
        if index is None:
            raise MissingFileError(
                f"there are no shards at {store.url}, for there is no {_NAME}: write_shards makes them"
            )
        if not index.complete:
            raise InputError(f"the shards at {store.url} are not complete: write them again, which goes on from there")
        return index

    def same_data(self) -> dict[str, Any]:
        """What must be equal for shards to be gone on with: what they hold, and not how far they are."""
        told = {name: value for name, value in asdict(self).items() if name not in ("splits", "complete", "tensors")}
        codecs = {name: each["fingerprint"] for name, each in self.codecs.items()}
        sources = {name: [split.source, split.total] for name, split in self.splits.items()}
        return json.loads(json.dumps({**told, "codecs": codecs, "splits": sources}))  # type: ignore[no-any-return]

    def code_spec(self) -> CodeSpec:
        """Spec of the codes."""
        return CodeSpec([Field(**each) for each in self.spec["fields"]], self.spec["grid"])

    def statistics(self) -> CodeStatistics | None:
        """Of the training codes; None if there are none."""
        chunks = self.splits["train"].chunks if "train" in self.splits else []
        sums = [torch.tensor(chunk.moments, dtype=torch.float64) for chunk in chunks]
        return statistics_of(torch.stack(sums).sum(0)) if sums else None

    def made_codecs(self, given: Codec | None) -> dict[str, Codec]:
        """The codecs by name, with their fitted tensors.

        Args:
            given: Instead of the one that the file tells, such as one that is not of this package.

        Raises:
            ValueError: If none is given, and the file cannot tell it.
        """
        made = {}
        for name, each in self.codecs.items():
            if name == "codec" and given is not None:
                made[name] = given
                continue
            if each["codec"] is None:
                raise InputError(
                    f"no file can tell {name} = {each['fingerprint']}, which made the codes; give the codec"
                )
            own = {key.partition("/")[2]: value for key, value in self.tensors.items() if key.partition("/")[0] == name}
            made[name] = make_codec(each["codec"], own)
        return made


def described_codecs(codecs: ChosenCodecs[Codec]) -> tuple[dict[str, dict[str, Any]], dict[str, NDArray[Any]]]:
    """Description and fingerprint of each codec of a datamodule, and their tensors."""
    told: dict[str, dict[str, Any]] = {}
    tensors: dict[str, NDArray[Any]] = {}
    for name, codec in codecs.named.items():
        description, own = _described(codec)
        told[name] = {"codec": description, "fingerprint": codec.fingerprint()}
        tensors |= {f"{name}/{key}": np.ascontiguousarray(value) for key, value in own.items()}
    return told, tensors


def _described(codec: Codec) -> tuple[dict[str, Any] | None, dict[str, NDArray[Any]]]:
    """As `describe_codec`; nothing of a codec whose arguments no file can tell, such as networks."""
    try:
        return describe_codec(codec)
    except InputError:
        return None, {}
