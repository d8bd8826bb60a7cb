"""What a model makes of the same test signals through other codecs than that of its training."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import Dataset

from lossy_lightning.callbacks._datamodule import class_names
from lossy_lightning.callbacks._drift_table import drift_table
from lossy_lightning.callbacks._labels import classes_of, logits_of
from lossy_lightning.callbacks._round_trip import device_of
from lossy_lightning.callbacks._through_codecs import ThroughCodecs, examples_of, log_alike
from lossy_lightning.callbacks._victim import forward_of
from lossy_lightning.callbacks.attack import call
from lossy_lightning.core import Codec
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import undisturbed
from lossy_lightning.media import log_text


class DriftMonitor(ThroughCodecs):
    """Tests a classifier on the whole test set through each of several codecs, such as JPEG of several qualities.

    A model may have learned how examples were encoded in place of what they show. It is tested as it is, whatever the
    codec of its training: counts tell what it makes of each class at each quality.

    Logged in each test, zeros included:

    - ``drift/<name>/accuracy``: share of the test examples that are classified right through the codec of that name;
    - ``drift/<name>/excess``: how much more often the class that is predicted too often most is predicted than it is
      there, as a share of all examples.

    Loggers get a table of both, with the class that is predicted too often.

    Args:
        codecs: What the test signals go through, by name. Their codes are of the shape that the model reads.
        signals: Pairs of signal and class, a data set of torch; by default the ``signals("test")`` of the trainer's
            datamodule, as `EncodedDataModule` has them. Without either it warns once and measures nothing.
        batch_size: Signals that are encoded and classified together; signals of different shape are not.
        forward_fn: From the module and codes to logits ``(N, K)``. For a model of images in [0, 1] it is
            ``lambda model, code: model(code / 255)``.
        output_fn: From what ``forward_fn`` returns to logits; by default what a dict has as ``"logits"``.

    Attributes:
        counts: After a test, for each codec by name how often examples of each class were taken for each class,
            ``(K, K)`` int64: rows are true classes, columns predicted ones.

    Raises:
        ValueError: If there are no codecs, one is none, or ``batch_size`` is less than 1.

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> monitor = DriftMonitor({f"quality {q}": JPEG(q, dequantize=True) for q in (10, 50, 95)})
    """

    counts: dict[str, Tensor]

    def __init__(
        self,
        codecs: dict[str, Codec],
        signals: Dataset[Any] | None = None,
        batch_size: int = 256,
        # Returning Any: the command line would take a callable that returns a class for that class's factory.
        forward_fn: Callable[[Any, Tensor], Any] = call,
        output_fn: Callable[[Any], Any] = logits_of,
    ) -> None:
        super().__init__(codecs, signals)
        check_integers(1, batch_size=batch_size)
        self.batch_size = batch_size
        self.forward_fn = forward_fn
        self.output_fn = output_fn
        self.counts = {}

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Classify the test signals through each codec, and log."""
        signals = self.test_signals(trainer)
        if signals is None:
            return
        with undisturbed(pl_module, self.forward_fn, self.output_fn):
            self.counts = self._count(trainer, pl_module, signals)
        for name, counts in self.counts.items():
            shares = counts.double() / counts.sum()
            figures = {"accuracy": shares.diagonal().sum(), "excess": (shares.sum(0) - shares.sum(1)).max()}
            for figure, value in figures.items():
                log_alike(pl_module, f"drift/{name}/{figure}", value)
        if trainer.is_global_zero and self.counts:
            classes = class_names(trainer, len(next(iter(self.counts.values()))))
            log_text(trainer.loggers, "drift", drift_table(self.counts, classes), trainer.global_step)

    def _count(self, trainer: Trainer, model: LightningModule, signals: Dataset[Any]) -> dict[str, Tensor]:
        forward = forward_of(trainer, model, self.forward_fn, self.output_fn)
        counts: dict[str, Tensor] = {}
        for batch, target in _batches(signals, self.batch_size):
            for name, codec in self.codecs.items():
                code = codec.encode(batch.to(device_of(codec))).to(model.device)
                logits = forward(code).float().cpu()
                true = classes_of(target, logits)
                if true is None:
                    raise MisconfigurationException(
                        f"DriftMonitor counts classes, with logits (N, K) and one class an example; this model gave "
                        f"{tuple(logits.shape)} and the signals targets {target.flatten()[:3].tolist()} …: pass an "
                        "output_fn that returns logits, or signals with their classes"
                    )
                number = logits.shape[1]
                found = torch.bincount(true * number + logits.argmax(1), minlength=number**2).view(number, number)
                counts[name] = counts[name] + found if name in counts else found
        return counts


def _batches(signals: Any, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Signals ``(N, *signal)`` and targets, as they follow each other; those of one shape together."""
    batch: list[Tensor] = []
    targets: list[Tensor] = []
    for signal, target, *_ in examples_of(signals):
        if batch and (len(batch) == size or signal.shape != batch[0].shape):
            yield torch.stack(batch), torch.stack(targets)
            batch, targets = [], []
        batch.append(signal)
        targets.append(torch.as_tensor(target))
    if batch:
        yield torch.stack(batch), torch.stack(targets)
