"""What monitors have in common that send test signals through several codecs."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.utils.data import IterableDataset

from lossy_lightning.callbacks._datamodule import signals_of_data
from lossy_lightning.core import Codec, InputError


class ThroughCodecs(Callback):
    """Measures something of the test signals through each of several codecs.

    Args:
        codecs: By name.
        signals: A data set, None: the ``signals("test")`` of the trainer's datamodule.

    Raises:
        ValueError: If there are no codecs, a name is no text, or one is no codec.
    """

    def __init__(self, codecs: Mapping[str, Any], signals: Any) -> None:
        named = isinstance(codecs, Mapping) and bool(codecs)
        if not named or not all(isinstance(name, str) and self.takes(codec) for name, codec in codecs.items()):
            raise InputError(f"codecs names one or more codecs, such as {{'quality 10': JPEG(10)}}; got {codecs!r}")
        self.codecs = dict(codecs)
        self.signals = signals
        self._warned = False

    @staticmethod
    def takes(codec: Any) -> bool:
        """Whether signals can be sent through it."""
        return isinstance(codec, Codec)

    def test_signals(self, trainer: Trainer) -> Any:
        """The signals; None, with a warning the first time, if there are none."""
        signals = signals_of_data(trainer, "test") if self.signals is None else self.signals
        if signals is None and not self._warned:
            self._warned = True
            data = getattr(trainer, "datamodule", None)
            warnings.warn(
                f"{type(self).__name__} measures nothing: it needs signals to encode, from signals=… or from a "
                "datamodule with signals('test'), such as an EncodedDataModule; got "
                f"{type(data).__name__ if data is not None else 'loaders'}",
                stacklevel=3,
            )
        return signals


def examples_of(signals: Any) -> Iterator[Any]:
    """Examples one by one, of a data set of either kind, a sequence or an iterator."""
    if isinstance(signals, IterableDataset) or not hasattr(signals, "__len__"):
        yield from signals
    else:
        yield from (signals[index] for index in range(len(signals)))


def log_alike(module: LightningModule, name: str, value: Tensor) -> None:
    """Log a figure of an epoch that every rank measures the same."""
    module.log(
        name, value.float().to(module.device), on_step=False, on_epoch=True, batch_size=1, reduce_fx="max",
        sync_dist=True,
    )  # fmt: skip
