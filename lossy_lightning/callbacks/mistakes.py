"""The examples that a classifier is most wrong about, to be seen and heard."""

import heapq
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer
from torch import Tensor
from torch.utils.data import IterableDataset

from lossy_lightning.callbacks._classified import Classified, ClassifierMonitor
from lossy_lightning.callbacks._datamodule import (
    class_names,
    codec_for,
    example_names,
    sample_rate_of_data,
    signal_shape,
    source_of_data,
)
from lossy_lightning.callbacks._labels import logits_of
from lossy_lightning.callbacks._round_trip import decoded
from lossy_lightning.callbacks._signals import Shown, log_signals
from lossy_lightning.callbacks.inputs import first_tensor, second_item
from lossy_lightning.core import InputError, RandomKey
from lossy_lightning.media import log_text


class _Mistake(NamedTuple):
    """An example that was taken for another class."""

    loss: float
    place: int  # in the order of the loader
    true: int
    predicted: int
    probability: float  # of the class predicted
    classes: int
    value: Tensor


class MistakeMonitor(ClassifierMonitor):
    """Shows the worst mistakes of a test, of a validation, and of the last validation of a fit.

    Those are the wrongly classified examples of the highest cross-entropy. It reads what the module's `forward` returns
    in the module's own steps, so nothing is computed twice. Codes are decoded by the datamodule's codec: images are
    pictures, sounds players with spectrogram and waveform, each with its true class and the one predicted. Without a
    codec, inputs ``(1 or 3, H, W)`` are taken for images; other inputs stand in the table only.

    Loggers get ``mistakes/test/0``, the worst, ``mistakes/test/1``, … (or ``mistakes/val/0``, …), and a table of them
    with the loss and the place of each example: what the datamodule calls it, or its number in the order of the loader.
    Each of several ranks sees its own share; those of the first one are shown. What is no classifier is left out with
    one warning.

    Args:
        num_examples: Number of mistakes at most.
        input_fn: From a batch to the codes or other inputs ``(N, ...)`` that are shown.
        target_fn: From a batch to its classes ``(N,)``, or soft labels ``(N, classes)``.
        output_fn: From what `forward` returns to logits; by default what a dict has as ``"logits"``.

    Raises:
        ValueError: If ``num_examples`` is less than 1.

    Example:
        >>> trainer = Trainer(callbacks=[MistakeMonitor(num_examples=4)], logger=False)
    """

    def __init__(
        self,
        num_examples: int = 8,
        input_fn: Callable[[Any], Any] = first_tensor,
        target_fn: Callable[[Any], Any] = second_item,
        output_fn: Callable[[Any], Any] = logits_of,
    ) -> None:
        if num_examples < 1:
            raise InputError(f"num_examples is at least 1; got {num_examples}")
        super().__init__(target_fn, output_fn)
        self.num_examples = num_examples
        self.input_fn = input_fn
        self._worst: list[_Mistake] = []
        self._sizes: list[int] = []  # of batches

    def start(self) -> None:
        """Forget all mistakes."""
        self._worst, self._sizes = [], []

    def gather(self, trainer: Trainer, split: str, classified: Classified) -> None:
        """Keep the worst of a batch and those before."""
        logits, target = classified.logits, classified.target
        losses = F.cross_entropy(logits, target, reduction="none").nan_to_num(nan=torch.inf)
        predicted, probabilities = logits.argmax(1), logits.softmax(1)
        wrong = (predicted != target).nonzero()[:, 0]
        worst = wrong[losses[wrong].argsort(descending=True, stable=True)[: self.num_examples]].tolist()
        inputs, before = self.input_fn(classified.batch), sum(self._sizes)
        found = [
            _Mistake(
                float(losses[i]),
                before + i,
                int(target[i]),
                int(predicted[i]),
                float(probabilities[i, predicted[i]]),
                logits.shape[1],
                _unpadded(inputs[i], classified.batch, i).detach().clone(),
            )
            for i in worst
        ]
        self._worst = heapq.nlargest(self.num_examples, [*self._worst, *found], key=lambda each: each.loss)
        self._sizes.append(len(target))

    def show(self, trainer: Trainer, split: str) -> None:
        """Decode and show them."""
        if not self._worst or not trainer.is_global_zero:
            return
        names = class_names(trainer, self._worst[0].classes)
        rate = sample_rate_of_data(trainer)
        for number, mistake in enumerate(self._worst):
            signal = _signal(trainer, split, mistake)
            if signal is not None:
                shown = Shown("sound", _caption(mistake, names), signal)
                log_signals(trainer.loggers, f"mistakes/{split}/{number}", [shown], rate, trainer.global_step)
        table = _table(self._worst, names, self._places(trainer, split))
        log_text(trainer.loggers, f"mistakes/{split}", table, trainer.global_step)
        self._worst = []

    def _places(self, trainer: Trainer, split: str) -> Callable[[int], str]:
        """Names of examples by their order in the loader; unknown if bad files were left out of batches."""
        source = source_of_data(trainer, split)
        if source is None or isinstance(source, IterableDataset):
            return lambda index: f"example {index}"
        first, last = self._sizes[0], self._sizes[-1]
        full = all(size == first for size in self._sizes[:-1]) and (last == first or sum(self._sizes) == len(source))
        known = trainer.world_size == 1 and full
        return example_names(trainer, split) if known else lambda index: "?"


def _unpadded(value: Tensor, batch: Any, index: int) -> Tensor:
    """A code without its padding, if its batch ``(code, target, grid_size)`` says what is padded."""
    if not isinstance(batch, (list, tuple)) or len(batch) < 3 or not isinstance(batch[2], Tensor):
        return value
    size = batch[2][index].tolist()
    if not isinstance(size, list) or len(size) != value.ndim - 1 or any(n < 1 for n in size):
        return value
    return value[(slice(None), *(slice(n) for n in size))]


def _signal(trainer: Trainer, split: str, mistake: _Mistake) -> Tensor | None:
    """The decoded signal, or the input if it looks like an image; None if it cannot be shown."""
    codec = codec_for(trainer, split, mistake.true)
    if codec is not None:
        with RandomKey(("mistakes",)).everywhere(), torch.no_grad():  # phases of a sound may be drawn
            return decoded(codec, mistake.value[None], signal_shape(trainer))[0].cpu()
    value = mistake.value.cpu()
    if value.ndim != 3 or value.shape[0] not in (1, 3):
        return None
    if value.dtype == torch.uint8:
        return value
    low, high = value.double().aminmax()
    return ((value - low) / (high - low).clamp(min=1e-12) * 255).round().to(torch.uint8)


def _caption(mistake: _Mistake, names: list[str]) -> str:
    return f"true: {names[mistake.true]}\npredicted: {names[mistake.predicted]} ({mistake.probability:.0%})"


def _table(mistakes: list[_Mistake], names: list[str], places: Callable[[int], str]) -> str:
    """The mistakes in Markdown."""
    lines = [
        f"| {number} | {places(each.place)} | {names[each.true]} | {names[each.predicted]} | {each.probability:.3f} | "
        f"{each.loss:.3f} |"
        for number, each in enumerate(mistakes)
    ]
    return "\n".join(["| | example | true | predicted | its probability | loss |", "|---|---|---|---|---|---|", *lines])
