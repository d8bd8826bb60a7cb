"""What a classifier made of its validation and test batches, taken down without running it again."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lossy_lightning.callbacks._labels import check_output, classes_of


class Classified(NamedTuple):
    """A batch, and what came of it.

    Attributes:
        batch: As the module's step got it.
        logits: ``(N, classes)``, float32.
        target: The true classes ``(N,)``, int64.
    """

    batch: Any
    logits: Tensor
    target: Tensor


class ClassifierMonitor(Callback, ABC):
    """Sees what a module's `forward` returns in its own steps of validation and test.

    What it gathers is shown when a test or a validation ends; of the validations of a fit, the last one, when the fit
    ends. Sanity checks are left out, and so are loaders after the first. Of several calls of `forward` in a step, the
    first counts. If there is nothing to see, it warns once.

    Args:
        target_fn: From a batch to its classes ``(N,)``, or soft labels ``(N, classes)``.
        output_fn: From what `forward` returns to logits.
    """

    def __init__(self, target_fn: Callable[[Any], Any], output_fn: Callable[[Any], Any]) -> None:
        self.target_fn = target_fn
        self.output_fn = output_fn
        self._warned = False
        self._outputs: list[Any] = []
        self._hook: Any = None

    @abstractmethod
    def start(self) -> None:
        """Forget what was gathered."""

    @abstractmethod
    def gather(self, trainer: Trainer, split: str, classified: Classified) -> None:
        """Take down a batch."""

    @abstractmethod
    def show(self, trainer: Trainer, split: str) -> None:
        """Hand the loggers what was gathered, on each rank, if there is anything."""

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self.start()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self.start()

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Listen to `forward`."""
        if not trainer.sanity_checking:
            self._listen(pl_module, dataloader_idx)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Listen to `forward`."""
        self._listen(pl_module, dataloader_idx)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take down what it returned."""
        self._take(trainer, pl_module, "val", batch)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take down what it returned."""
        self._take(trainer, pl_module, "test", batch)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show a validation that is not part of a fit."""
        if trainer.state.fn != TrainerFn.FITTING:
            self._show(trainer, "val")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the last validation."""
        self._show(trainer, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the test."""
        self._show(trainer, "test")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop listening."""
        self._stop()

    def _listen(self, module: LightningModule, dataloader_idx: int) -> None:
        self._stop()
        if dataloader_idx == 0:
            self._outputs = outputs = []
            self._hook = module.register_forward_hook(lambda module, args, output: outputs.append(output))

    def _stop(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def _take(self, trainer: Trainer, module: LightningModule, split: str, batch: Any) -> None:
        if self._hook is None:
            return
        self._stop()
        outputs, self._outputs = self._outputs, []
        try:
            with torch.no_grad():
                self.gather(trainer, split, self._classified(module, outputs, batch))
        except Exception as error:  # a run goes on without what cannot be shown
            self._warn(f"{type(self).__name__} leaves out what it cannot read: {error}")

    def _show(self, trainer: Trainer, split: str) -> None:
        try:
            self.show(trainer, split)
        except Exception as error:  # whatever a codec of anybody's raises
            self._warn(f"{type(self).__name__} leaves out what it cannot show: {error}")

    def _classified(self, module: LightningModule, outputs: list[Any], batch: Any) -> Classified:
        if not outputs:
            raise MisconfigurationException(
                f"a step of {type(module).__name__} did not call its forward; let the step call self(...)"
            )
        target = torch.as_tensor(self.target_fn(batch))
        logits = check_output(self.output_fn(outputs[0]), len(target)).float()
        classes = classes_of(target, logits)
        if classes is None:
            raise MisconfigurationException(
                "it shows classifiers, with logits (N, K) and one class an example; forward gave "
                f"{tuple(logits.shape)} and the batch targets of {target.dtype} and shape {tuple(target.shape)}: pass "
                "an output_fn or a target_fn that returns these"
            )
        return Classified(batch, logits, classes)

    def _warn(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            rank_zero_warn(text)
