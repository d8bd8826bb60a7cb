"""What is made of a data set once and kept: fitted codecs, codes, statistics."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lossy_lightning.core import Codec, CodeSpec, CodeStatistics
from lossy_lightning.data._chosen_codecs import ChosenCodecs
from lossy_lightning.data._once import fit_once, make_once
from lossy_lightning.data._splits import Split, check_indexed
from lossy_lightning.data._statistics import fingerprint_examples, sample_statistics
from lossy_lightning.data._writing import write_codes
from lossy_lightning.data.cache import EncodedDataset, open_codes
from lossy_lightning.data.source import Source


class Preparation(NamedTuple):
    """Makes these of the signals of a datamodule, or opens what was made before.

    Attributes:
        folder: Where they are kept.
        name: Of the datamodule's class.
        codecs: What signals go through.
        signal_shape: Of a signal, None if it varies.
        num_workers: That read signals, and encode them if the codecs run on the host.
    """

    folder: Path
    name: str
    codecs: ChosenCodecs[Codec]
    signal_shape: tuple[int | None, ...]
    num_workers: int

    def fit(self, training: Callable[[], Source | None]) -> None:
        """Fit what is not fitted to training signals; other ranks and later runs read what was fitted.

        Raises:
            MisconfigurationException: If there are no such signals.
        """
        for name, codec in self.codecs.trainable.items():
            if not codec.fitted:
                signals = training()
                if signals is None:
                    raise MisconfigurationException(f"{name} = {codec} is not fitted, and there are no train signals")
                check_indexed(signals)
                path = self._path("train", signals, codec.fingerprint())
                fit_once(codec, signals, path, self.num_workers, 1 if None in self.signal_shape else 1024)

    def encode(self, split: Split, signals: Source, spec: CodeSpec) -> EncodedDataset:
        """Codes of the signals of a split."""

        def write() -> None:
            encode, on_host = self.codecs.encoder(split, spec), not self.codecs.on_device
            write_codes(folder, signals, encode, spec, self.num_workers, on_host)

        folder = self._path(split, signals, self.codecs.fingerprint())
        dataset = open_codes(folder, write)
        if signals.log is not None:
            signals.log.add(dataset.bad)
            signals.log.tell()
        return dataset

    def statistics(
        self, examples: Source, spec: CodeSpec, encode: Callable[[Tensor, Any], Tensor] | None
    ) -> CodeStatistics:
        """Statistics of training codes that are not cached, of a sample; ``encode`` is None if examples are codes."""
        path = self._path("train", examples, self.codecs.fingerprint()).with_suffix(".statistics")
        return CodeStatistics(**make_once(path, lambda: sample_statistics(examples, spec, encode)._asdict()))

    def _path(self, split: Split, examples: Source, codecs: str) -> Path:
        """Path of what these codecs make of these examples."""
        # Whole images that happen to be of one size are padded all the same, so their shape is part of the key.
        key = hashlib.sha256(f"{codecs} {self.signal_shape} {fingerprint_examples(examples)}".encode()).hexdigest()[:16]
        return self.folder / f"{self.name}-{split}-{key}"
