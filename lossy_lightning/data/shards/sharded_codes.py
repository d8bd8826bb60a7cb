"""Shards as a data module."""

import hashlib
import re
import warnings
from collections.abc import Callable
from functools import partial
from math import lcm
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.trainer.states import TrainerFn
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, FileCodec, InputError, SignalForm
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.data._loading import Place, reading_loader
from lossy_lightning.data._reading import Reading
from lossy_lightning.data._splits import Split
from lossy_lightning.data.bad_files import BadFileLog, BadFiles
from lossy_lightning.data.encoded import EncodedDataModule
from lossy_lightning.data.shards._blocks import Body, read_codes, read_files
from lossy_lightning.data.shards._chunks import Chunks
from lossy_lightning.data.shards._index import ShardIndex
from lossy_lightning.data.shards._order import ShardOrder
from lossy_lightning.data.shards._sources import PackedCodes, ShardedFiles, lengths
from lossy_lightning.data.shards._store import Store
from lossy_lightning.data.source import Source


class ShardedCodes(EncodedDataModule):
    """Codes that `write_shards` wrote, without the original data.

    Codec with its fitted tensors, spec, classes and statistics are those of the shards. Chunks far away are copied to
    ``cache_dir`` before they are needed. In training each process goes through its own part of the chunks, which are
    shuffled by seed and epoch, and so are the examples in each; a training that is gone on with continues with the
    batch that comes next. ``num_workers`` are threads of this process that read ahead, a batch each.

    Args:
        url: Folder, or address such as ``s3://bucket/folder``.
        codec: What the codes must have been made with, such as a codec that is not of this package; None to take that
            of the shards.
        cache_dir: As of `EncodedDataModule`.
        batch_size: Examples of a batch; codes of different size are padded.
        num_workers: Threads that read ahead.
        augmentation: As of `EncodedDataModule`.
        crop: Of files, as of `CodedFolder`.
        num_threads: Threads that read a batch of files together, for each worker or without one.
        bad_files: What becomes of files that do not fit the crop, or are read leniently.
        max_samples: Files with more samples of a channel are bad.
        max_cache_bytes: Of copies of the chunks of one split; the oldest are removed. None for no limit.
        storage_options: What litdata hands to the client of that store.
        sorted_batches: In training, the examples of so many batches are sorted by length, cut into batches, and these
            are shuffled, so that there is less to pad. Length is the number of positions of a code's grid, or of bytes
            of a file. 1 for no sorting.

    Raises:
        ValueError: If the shards were made by another codec, are not complete, or a number is out of range.
        FileNotFoundError: If there are none.
        ImportError: If litdata is not installed.

    Example:
        >>> import tempfile
        >>> from lossy_lightning.codecs import VQ
        >>> from lossy_lightning.data import Digits, write_shards
        >>> with tempfile.TemporaryDirectory() as folder:  # or an address such as "s3://bucket/digits"
        ...     written = write_shards(Digits(VQ((2, 2), levels=16), cache_dir=folder), f"{folder}/digits")
        ...     data = ShardedCodes(f"{folder}/digits", batch_size=100)
        ...     code, target = next(iter(data.train_dataloader()))
        >>> code.shape, data.codec, data.num_classes
        (torch.Size([100, 1, 4, 4]), VQ(block=(2, 2), levels=16, seed=0), 10)
    """

    def __init__(
        self,
        url: str | Path,
        codec: Codec | None = None,
        cache_dir: str | Path | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        augmentation: nn.Module | None = None,
        crop: int | None = None,
        num_threads: int = 1,
        bad_files: BadFiles = BadFiles.REFUSE,
        max_samples: int = 2**27,
        max_cache_bytes: int | None = None,
        storage_options: dict[str, Any] | None = None,
        sorted_batches: int = 1,
    ) -> None:
        store = Store(url, storage_options)
        index = ShardIndex.opened(store)
        codecs = index.made_codecs(codec)
        super().__init__(
            codecs["codec"],
            cache_dir=cache_dir,
            batch_size=batch_size,
            num_workers=num_workers,
            val_fraction=0.0,
            augmentation=augmentation,
            train_codecs=_of_classes(codecs, "train_codecs"),
            test_codecs=_of_classes(codecs, "test_codecs"),
        )
        check_integers(1, num_threads=num_threads, max_samples=max_samples, sorted_batches=sorted_batches)
        self.index = index
        self.crop = crop
        self.num_threads = num_threads
        self.bad_files = bad_files
        self.max_samples = max_samples
        self.max_cache_bytes = max_cache_bytes
        self.sorted_batches = sorted_batches
        self._store = store
        self._begins_anew = False
        self._given.pop("storage_options")  # they may hold keys, which are not for checkpoints
        self.classes = None if index.classes is None else tuple(index.classes)
        self.sample_rate = index.sample_rate
        if index.num_classes is not None:
            self.num_classes = index.num_classes
        self.signal_shape = self._cropped(crop)
        self._check_codecs()

    @property
    def statistics(self) -> CodeStatistics:
        """Mean and standard deviation of each channel of all training codes.

        Raises:
            MisconfigurationException: If there is no train split.
        """
        statistics = self.index.statistics()
        if statistics is None:
            raise MisconfigurationException(f"{self._store.url} has no train split, so its codes have no statistics")
        return statistics

    @property
    def signal_form(self) -> SignalForm:
        """The crop, or whole signals; of shards of files, their codes as they are."""
        return SignalForm(self.signal_shape, self.crop is not None, self.index.files, self.sample_rate)

    def codes(self, split: Split) -> Source | None:
        """Codes of a split."""
        if split not in self.index.splits:
            return None
        training = split == "train"
        address = hashlib.sha256(self._store.url.encode()).hexdigest()[:16]
        folder = self.cache_dir / f"shards-{address}"
        kind, spec = self.index.targets, self.index.code_spec()
        read: Callable[[NDArray[Any], int], Body] = (
            partial(read_files, kind=kind) if self.index.files else partial(read_codes, kind=kind, spec=spec)
        )
        chunks = Chunks(self._store, self.index.splits[split], read, folder, self.max_cache_bytes, training)
        if not self.index.files:
            return PackedCodes(chunks, spec)
        log = BadFileLog(self.bad_files, self._store.url, len(chunks))
        codec_of: Any = partial(self.codecs.of, split)
        crop = None if self.crop is None else (self.crop,) * (len(self.signal_shape) - 1)
        return ShardedFiles(chunks, codec_of, crop, training, self.num_threads, self.max_samples, log)

    def loader(self, source: Source, split: Split) -> DataLoader[Any]:
        """Loader of a split: shuffled in training; in validation and test each example once, on any number of ranks."""
        training = split == "train"
        start = self._progress.begin(self.trainer) if training else Place()
        key = self._progress.key(self.trainer).of(split)
        assert isinstance(source, PackedCodes | ShardedFiles)
        length = partial(lengths, source.chunks)
        sizes = source.chunks.sizes
        order = ShardOrder(sizes, key, self.batch_size, training, start, self.sorted_batches, length)
        return reading_loader(source, Reading(source, key), key, self.batch_size, self.num_workers, order)

    def state_dict(self) -> dict[str, Any]:
        """As of `EncodedDataModule`, and what the place in an epoch means: how many processes share it, and batches."""
        return {**super().state_dict(), **self._dealt()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a checkpoint's training was; an epoch that was shared out otherwise is begun anew.

        Raises:
            MisconfigurationException: If the checkpoint was made with another codec, or on other classes.
        """
        # A checkpoint of another data module, such as that which the shards were made of, has neither.
        now = self._dealt()
        then = {"sorted_batches": 1} | {name: value for name, value in state_dict.items() if name in now}
        progress = state_dict["progress"]
        fitting = self.trainer is None or self.trainer.state.fn == TrainerFn.FITTING
        if fitting and then != now and progress["batch"]:
            warnings.warn(
                f"epoch {progress['epoch']} was dealt by {then}, and now by {now}: it is begun anew",
                stacklevel=2,
            )
            state_dict = state_dict | {"progress": progress | {"batch": 0}}
            self._begins_anew = True
        super().load_state_dict(state_dict)

    def train_dataloader(self) -> DataLoader[Any]:
        """As of `EncodedDataModule`."""
        if self._begins_anew and self.trainer is not None:
            self.trainer.fit_loop.epoch_loop.restarting = False  # else it would count on, and end early
            self._begins_anew = False
        return super().train_dataloader()

    def _dealt(self) -> dict[str, int]:
        """How an epoch is dealt."""
        world_size = 1 if self.trainer is None else self.trainer.world_size
        return {"world_size": world_size, "batch_size": self.batch_size, "sorted_batches": self.sorted_batches}

    def _open(self, split: Split) -> Source | None:
        # Codes were checked when they were written; a sample of them might have all chunks fetched.
        return self._examples(self.codes, split)

    def _cropped(self, crop: int | None) -> tuple[int | None, ...]:
        """Shape of a signal.

        Raises:
            ValueError: If the crop does not fit the codecs.
        """
        if not self.index.files:
            if crop is not None:
                raise InputError(f"these shards hold codes of signals of {self.index.signal_shape}, not files: no crop")
            return tuple(self.index.signal_shape)
        codecs = [codec for codec in self.codecs.named.values() if isinstance(codec, FileCodec)]
        pitch = lcm(*(size for codec in codecs for size in codec.pitch))
        if crop is not None and (not isinstance(crop, int) or crop < 1 or crop % pitch):
            raise InputError(f"crop must be a multiple of {pitch}; got {crop!r}")
        channels, *sizes = codecs[0].signal_shape
        return (channels, *((crop,) * len(sizes)))

    def _check_codecs(self) -> None:
        """Check that codes mean what they did when they were written.

        Raises:
            ValueError: If codec or spec are others; names both.
        """
        for name, codec in self.codecs.named.items():
            mine, theirs = codec.fingerprint(), self.index.codecs[name]["fingerprint"]
            if mine != theirs:
                raise InputError(f"the shards at {self._store.url} were made by {name} = {theirs}; got {mine}")
        own: CodeSpec = self.index.code_spec()
        if not self.index.files and self.spec != own:
            raise InputError(f"the shards at {self._store.url} hold codes of {own}; {self.codec} makes {self.spec}")


def _of_classes(codecs: dict[str, Codec], name: str) -> Codec | dict[int, Codec] | None:
    """Codecs of a split: one for all classes, or some for some classes, or none."""
    some = {int(found[1]): codec for key, codec in codecs.items() if (found := re.fullmatch(rf"{name}\[(\d+)\]", key))}
    return some or codecs.get(name)
