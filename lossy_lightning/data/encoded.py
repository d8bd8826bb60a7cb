"""A data set seen through a codec."""

import os
from abc import ABC
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from platformdirs import user_cache_dir
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, InputError, RandomKey
from lossy_lightning.core.arguments import check_integers, check_numbers
from lossy_lightning.data._augmenting import adapt, check_targets, try_out
from lossy_lightning.data._checkpointed import CheckpointedDataModule
from lossy_lightning.data._chosen_codecs import ChosenCodecs
from lossy_lightning.data._loading import Place, make_loader
from lossy_lightning.data._preparing import Preparation
from lossy_lightning.data._splits import SPLITS, PaddedSource, Split, TransformedSource, check_indexed, take_split
from lossy_lightning.data._state import NotStated
from lossy_lightning.data._statistics import read_sample
from lossy_lightning.data.cache import EncodedDataset
from lossy_lightning.data.source import Source, as_source


class EncodedDataModule(CheckpointedDataModule, ABC):
    """Batches ``(code, target)`` of a data set whose signals went through a codec.

    Subclass it with `signal_shape`, `num_classes` (if there are classes) and `signals`; everything else follows:
    the codec is fitted once to the training split, each split is encoded once and cached in the smallest integer
    dtype, and batches are fetched whole from memory-mapped files. The predict split is the test split.

    Args:
        codec: What the signals go through.
        root: Folder of the data; by default ``$LOSSY_DATA``, or ``data`` if that is not set.
        cache_dir: Folder of the encoded splits; by default ``$LOSSY_CACHE``, or the user's cache folder.
        batch_size: Examples of a batch.
        num_workers: Of each loader. Cached codes need none.
        val_fraction: Share of the training examples taken for validation, if the data set has no such split.
        seed: Of that choice, and of nothing else: order, crops, transforms and augmentations are functions of
            `seed_everything`'s seed, the epoch and the example, or the batch that is augmented.
        transform: Of signals, in training only. Training codes are then made anew for each batch, on its device. It
            may draw from the global generators of torch, NumPy and Python: they are seeded for each example, and put
            back.
        augmentation: Of codes, in training only, on the batch's device. It may draw likewise. Each of its modules
            that has an ``adapt(codecs, spec, statistics)`` is handed those of the training codes before training. What
            it makes of a few codes is then held against the spec.
        train_codecs: Codec of the training and validation examples, for all classes or for some; a class that is not
            named goes through ``codec``.
        test_codecs: The same for test examples.

    Attributes:
        signal_shape: Shape of a signal without batch; None if it varies.
        num_classes: Number of classes, if targets are classes.
        classes: Their names, in the order of their numbers, if they are known. Checkpoints carry them.
        sample_rate: Of sounds, in Hz; None for any, or no sounds. Codecs that expect another rate are an error.

    Raises:
        ValueError: If a codec or the augmentation is none, or a number is out of range.

    Example:
        >>> import tempfile, torch
        >>> from lossy_lightning.codecs import VQ
        >>> class Stripes(EncodedDataModule):
        ...     signal_shape, num_classes = (1, 8, 8), 2
        ...     def signals(self, split):
        ...         rows = torch.arange(8).expand(8, 8).remainder(2).mul(255).to(torch.uint8)
        ...         return None if split == "val" else [(rows[None], 0), (rows.T[None], 1)] * 20
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     data = Stripes(VQ((2, 2), levels=2), cache_dir=folder, batch_size=5)
        ...     code, target = next(iter(data.train_dataloader()))
        >>> code.shape, data.spec.bit_widths, [code[target == label].unique().numel() for label in (0, 1)]
        (torch.Size([5, 1, 4, 4]), (1,), [1, 1])
    """

    signal_shape: tuple[int | None, ...] = ()
    num_classes: int = NotStated()  # type: ignore[assignment]  # it has no value, but says what to do
    classes: tuple[str, ...] | None = None
    sample_rate: int | None = None

    def __init__(
        self,
        codec: Codec,
        root: str | Path | None = None,
        cache_dir: str | Path | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        val_fraction: float = 0.1,
        seed: int = 0,
        transform: Callable[[Tensor], Tensor] | nn.Module | None = None,
        augmentation: nn.Module | None = None,
        train_codecs: Codec | dict[int, Codec] | None = None,
        test_codecs: Codec | dict[int, Codec] | None = None,
    ) -> None:
        super().__init__()
        check_integers(1, batch_size=batch_size)
        check_integers(0, num_workers=num_workers, seed=seed)
        check_numbers(0, 1, excluded=1, val_fraction=val_fraction)
        self.codecs: ChosenCodecs[Codec] = ChosenCodecs(codec, train_codecs, test_codecs)
        self.root = Path(root or os.environ.get("LOSSY_DATA", "data"))
        self.cache_dir = Path(cache_dir or os.environ.get("LOSSY_CACHE") or user_cache_dir("lossy_lightning", False))
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.val_fraction = val_fraction
        self.seed = seed
        self.transform = transform
        self.augmentation = augmentation
        if transform is not None and not callable(transform):
            raise InputError(f"transform is a module or function of a signal; got {transform!r}")
        if not isinstance(augmentation, nn.Module | None):
            raise InputError(f"augmentation must be a module, such as TimeShift(max_frames=5); got {augmentation!r}")

    # What a subclass may write.

    def signals(self, split: Split) -> Dataset[Any] | None:
        """Pairs of signal and target of a split, any map-style data set; None for "val" to take a part of "train"."""
        return None

    def codes(self, split: Split) -> Dataset[Any] | None:
        """Pairs of code and target of a split, if files hold codes already; they are not cached again."""
        return None

    def check_files(self) -> Any:
        """Look at the files of all splits before any is opened; data sets of files do."""

    def loader(self, source: Source, split: Split) -> DataLoader[Any]:
        """Loader of a split: shuffled in training; in validation and test each example once, on any number of ranks."""
        training = split == "train"
        start = self._progress.begin(self.trainer) if training else Place()
        key = self._progress.key(self.trainer).of(split)
        return make_loader(source, key, self.batch_size, self.num_workers, training, start)

    # What the codes are.

    @property
    def spec(self) -> CodeSpec:
        """Spec of the codes, the union over all codecs.

        Raises:
            MisconfigurationException: If the signals' shape is not stated, or the sample rate is not the codecs'.
            ValueError: If the codecs' specs do not fit together.
        """
        if not self.signal_shape:
            raise MisconfigurationException(
                f"{type(self).__name__} does not state its signals' shape; set signal_shape, such as (1, 28, 28)"
            )
        self.check_sample_rates()
        return CodeSpec.union(*(codec.spec(self.signal_shape) for codec in self.codecs.named.values()))

    def check_sample_rates(self) -> None:
        """Check that each codec takes sounds of this rate, if both state one.

        Raises:
            MisconfigurationException: If a codec expects another.
        """
        self.codecs.check_sample_rate(self.sample_rate, type(self).__name__)

    def examples(self, split: Split) -> Source | None:
        """Codes or signals of a split as they are read, before any cache; they can say where each of them lies."""
        codes = self._examples(self.codes, split)
        return self._examples(self.signals, split) if codes is None else codes

    def codec_for(self, split: Split, target: Any) -> Codec:
        """Codec that an example of a split goes through, by its class if classes have codecs of their own."""
        label = target.item() if isinstance(target, Tensor) and target.numel() == 1 else target
        return self.codecs.of(split, label)

    @property
    def statistics(self) -> CodeStatistics:
        """Mean and standard deviation of each channel of the training codes.

        Over all of them if they are cached, else over those of 1 024 evenly spaced training examples, before any
        transform; these are computed once and kept in ``cache_dir``.

        Raises:
            MisconfigurationException: If there is no train split.
        """
        dataset = self._dataset("train")
        if dataset is None:
            raise MisconfigurationException(
                f"{type(self).__name__} has no train split, so its codes have no statistics"
            )
        if isinstance(dataset, EncodedDataset):
            return dataset.statistics
        if isinstance(dataset, TransformedSource):
            return self._preparation().statistics(dataset.signals, self.spec, self.codecs.encoder("train", self.spec))
        return self._preparation().statistics(dataset, self.spec, None)

    # What Lightning calls.

    def prepare_data(self) -> None:
        """Fetch what the codecs need, fit them and encode the splits, unless that was done before."""
        for codec in self.codecs.named.values():
            codec.prepare()
        self._open_splits(None)

    def setup(self, stage: str) -> None:
        """Open the splits of the stage."""
        if stage == "fit":
            self._progress.restart()  # a checkpoint that is gone on from is loaded later
        self._open_splits(stage)

    def train_dataloader(self) -> DataLoader[Any]:
        """Loader of the training split; what augments its codes is adapted to them first, and tried on some.

        Raises:
            MisconfigurationException: If there is no such split, or augmented codes are not of the spec.
        """
        loader = self._loader("train")
        if self.augmentation is not None:
            # Only now: a checkpoint may have brought another codec after the setup.
            encode = self.codecs.encoder("train", self.spec) if self._encodes_on_device() else None
            adapt(self.augmentation, self.codecs.training, self.spec, self.statistics)
            try_out(self.augmentation, self._dataset("train"), self.spec, encode)
        return loader

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """Loader of the validation split; an empty list if there is none."""
        return self._loader("val") if self._dataset("val") is not None else []

    def test_dataloader(self) -> DataLoader[Any]:
        """Loader of the test split."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[Any]:
        """Loader of the test split."""
        return self._loader("test")

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Encode transformed signals and augment codes, on the device, while training."""
        if self.trainer is None or not self.trainer.training:
            return batch
        place = self._progress.advance(self.trainer)
        code, *rest = batch
        if self.augmentation is not None and len(rest) > 1:
            raise MisconfigurationException("an augmentation needs codes of one size; crop the signals or codes")
        if self.augmentation is None and not self._encodes_on_device():
            return batch
        key = self._progress.key(self.trainer).of("train", "augmentation", *place, self.trainer.global_rank)
        with key.everywhere(code.device):
            if self._encodes_on_device():
                code = self.codecs.encoder("train", self.spec)(code, rest[0])
            if self.augmentation is not None:
                check_targets(self.augmentation, rest[0], tuple(code.shape[2:]))
                code = self.augmentation.to(code.device)(code)
        return code, *rest

    # How it is done.

    def _encodes_on_device(self) -> bool:
        # Signals of different size are encoded one by one, before they are padded.
        return self.transform is not None and None not in self.signal_shape and self.codecs.on_device

    def _open_splits(self, stage: str | None) -> None:
        if stage is None and self.trainer is not None and self.trainer.state.fn is not None:
            stage = self.trainer.state.fn.value
        if stage not in (None, "fit") and self.codecs.trainable:
            return  # a checkpoint that is loaded later may bring the fitted codec; the loaders open the splits
        self.check_files()
        for split in SPLITS[stage] if stage else ("train", "val", "test"):
            self._dataset(split)

    def _loader(self, split: Split) -> DataLoader[Any]:
        dataset = self._dataset(split)
        if dataset is None:
            raise MisconfigurationException(
                f"{type(self).__name__} has no {split} split; return one from signals({split!r}) or codes({split!r})"
            )
        return self.loader(dataset, split)

    def _dataset(self, split: Split) -> Source | None:
        if split not in self._datasets:
            self._datasets[split] = self._open(split)
        return self._datasets[split]

    def _open(self, split: Split) -> Source | None:
        if hasattr(self, "num_classes"):
            self.codecs.check_classes(self.num_classes)
        codes = self._examples(self.codes, split)
        if codes is not None:
            for code, *_ in read_sample(codes, 16):
                self.spec.check(code)
            return codes
        signals = self._examples(self.signals, split)
        if signals is None:
            return None
        check_indexed(signals)
        self._preparation().fit(lambda: self._examples(self.signals, "train"))
        if split == "train" and self.transform is not None:
            encode = None if self._encodes_on_device() else self.codecs.encoder("train", self.spec)
            kind = PaddedSource if None in self.spec.shape else TransformedSource
            return kind(signals, self.transform, encode)
        return self._preparation().encode(split, signals, self.spec)

    def _examples(self, of: Callable[[Split], Dataset[Any] | None], split: Split) -> Source | None:
        def source(split: Split) -> Source | None:
            with RandomKey(("source", split)).everywhere():  # data that are made up are the same each time
                return as_source(of(split))

        return take_split(source, split, self.val_fraction, self.seed)

    def _preparation(self) -> Preparation:
        return Preparation(self.cache_dir, type(self).__name__, self.codecs, self.signal_shape, self.num_workers)
