"""Whether what codecs leave of a test set is still the same to a judge."""

import warnings
from collections.abc import Mapping
from itertools import chain, islice
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.utils.data import Dataset

from lossy_lightning.callbacks.judging import Judge, RoundTrip, judge_codecs
from lossy_lightning.core import Codec, InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import undisturbed
from lossy_lightning.media import log_text


class JudgeMonitor(Callback):
    """Measures what several codecs leave of the test signals, by `judge_codecs`, in each test.

    Logged are the means over the signals, zeros included, as ``judged/<name>/<measure>``: rate, distances and, with a
    judge, how far it agrees. Loggers get a table. The module that is tested is not asked, unless it is the judge.

    Args:
        codecs: What the signals go through, by name; codecs, or functions that do the same.
        judge: From signals ``(N, *signal)`` to scores and features, in evaluation mode; None: only distances.
        signals: A data set whose examples begin with a signal; by default the ``signals("test")`` of the trainer's
            datamodule, as `EncodedDataModule` has them. Without either it warns once and measures nothing.
        max_signals: How many are measured, the first ones.
        top: Number of greatest scores that are compared.

    Attributes:
        found: After a test, for each codec by name one value a signal of each measure.

    Raises:
        ValueError: If there are no codecs, or a number is less than 1.

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> monitor = JudgeMonitor({f"quality {q}": JPEG(q) for q in (10, 50, 95)})
    """

    found: dict[str, dict[str, Tensor]]

    def __init__(
        self,
        codecs: dict[str, Codec | RoundTrip],
        judge: Judge | None = None,
        signals: Dataset[Any] | None = None,
        max_signals: int = 100,
        top: int = 5,
    ) -> None:
        named = isinstance(codecs, Mapping) and bool(codecs)
        if not named or not all(isinstance(name, str) and _can_be_measured(c) for name, c in codecs.items()):
            raise InputError(f"codecs names one or more codecs, such as {{'quality 10': JPEG(10)}}; got {codecs!r}")
        check_integers(1, max_signals=max_signals, top=top)
        self.codecs = dict(codecs)
        self.judge = judge
        self.signals = signals
        self.max_signals = max_signals
        self.top = top
        self.found = {}
        self._warned = False

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure, and log."""
        data: Any = getattr(trainer, "datamodule", None)
        signals: Any = self.signals
        if signals is None and hasattr(data, "signals"):
            signals = data.signals("test")
        if signals is None:
            self._warn(data)
            return
        first = (signals[i] for i in range(len(signals))) if hasattr(signals, "__len__") else iter(signals)
        with undisturbed(pl_module, self.judge):
            self.found = judge_codecs(self.codecs, islice(first, self.max_signals), self.judge, self.top)
        for name, measures in self.found.items():
            for measure, values in measures.items():
                # every rank measures the same
                pl_module.log(
                    f"judged/{name}/{measure}", values.float().mean().to(pl_module.device), on_step=False,
                    on_epoch=True, batch_size=1, reduce_fx="max", sync_dist=True,
                )  # fmt: skip
        if trainer.is_global_zero:
            log_text(trainer.loggers, "judged", _table(self.found), trainer.global_step)

    def _warn(self, data: Any) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                "JudgeMonitor measures nothing: it needs signals to encode, from signals=… or from a datamodule with "
                f"signals('test'), such as an EncodedDataModule; got "
                f"{type(data).__name__ if data is not None else 'loaders'}",
                stacklevel=2,
            )


def _can_be_measured(codec: Any) -> bool:
    """Whether it can be measured."""
    return isinstance(codec, Codec) or (callable(codec) and not isinstance(codec, type))


def _table(found: Mapping[str, Mapping[str, Tensor]]) -> str:
    """Means of each codec, in Markdown."""
    titles = list(dict.fromkeys(chain.from_iterable(found.values())))
    lines = [f"| codec | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for name, measures in found.items():
        cells = (f"{float(measures[title].mean()):.3f}" if title in measures else "" for title in titles)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
