"""Whether what codecs leave of a test set is still the same to a judge."""

from collections.abc import Mapping
from itertools import chain, islice
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import Dataset

from lossy_lightning.callbacks._signals import Shown, log_signals
from lossy_lightning.callbacks._through_codecs import ThroughCodecs, examples_of, log_alike
from lossy_lightning.callbacks.judging import Judge, RoundTrip, judge_codecs, through
from lossy_lightning.core import Codec
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import undisturbed
from lossy_lightning.media import log_text


class JudgeMonitor(ThroughCodecs):
    """Measures what several codecs leave of the test signals, by `judge_codecs`, in each test.

    Logged are the means over the signals, zeros included, as ``judged/<name>/<measure>``: rate, distances and, with a
    judge, how far it agrees. Loggers get a table, and the first signal before and after: images side by side, sounds
    as players and pictures of their spectrograms and waveforms. The module that is tested is not asked, unless it is
    the judge.

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
        super().__init__(codecs, signals)
        check_integers(1, max_signals=max_signals, top=top)
        self.judge = judge
        self.max_signals = max_signals
        self.top = top
        self.found = {}

    @staticmethod
    def takes(codec: Any) -> bool:
        """Whether it is a codec, or a function that does the same."""
        return isinstance(codec, Codec) or (callable(codec) and not isinstance(codec, type))

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure, and log."""
        signals = self.test_signals(trainer)
        if signals is None:
            return
        examples = islice(examples_of(signals), self.max_signals)
        first = list(islice(examples, 1))
        with undisturbed(pl_module, self.judge):
            self.found = judge_codecs(self.codecs, chain(first, examples), self.judge, self.top)
            shown = self._shown(first[0]) if trainer.is_global_zero and trainer.loggers else []
        for name, measures in self.found.items():
            for measure, values in measures.items():
                log_alike(pl_module, f"judged/{name}/{measure}", values.float().mean())
        if trainer.is_global_zero:
            log_text(trainer.loggers, "judged", _table(self.found), trainer.global_step)
        if shown:
            sources = (getattr(trainer, "datamodule", None), *self.codecs.values())
            rates = (getattr(source, "sample_rate", None) for source in sources)
            log_signals(trainer.loggers, "judged/first", shown, next(filter(None, rates), None), trainer.global_step)

    def _shown(self, example: Any) -> list[Shown]:
        """An example's signal, and what each codec leaves of it."""
        signal = example if isinstance(example, Tensor) else example[0]
        left = {name: through(name, codec, signal)[0] for name, codec in self.codecs.items()}
        rows = {
            name: [f"{measure} {float(values[0]):.2f}" for measure, values in measures.items()]
            for name, measures in self.found.items()
        }
        captions = {name: "\n".join([name, *row]) for name, row in rows.items()}
        return [Shown("original", "original", signal), *(Shown(name, captions[name], left[name]) for name in left)]


def _table(found: Mapping[str, Mapping[str, Tensor]]) -> str:
    """Means of each codec, in Markdown."""
    titles = list(dict.fromkeys(chain.from_iterable(found.values())))
    lines = [f"| codec | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for name, measures in found.items():
        cells = (f"{float(measures[title].mean()):.3f}" if title in measures else "" for title in titles)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
