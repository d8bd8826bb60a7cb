"""Does each layer compute with as few bits as it declares?"""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import nn
from torch.utils.weak import WeakTensorKeyDictionary

from lossy_lightning.callbacks._watching import Layer, channel_axis, is_quantized, quantizer_check
from lossy_lightning.core import InputError
from lossy_lightning.functional import undisturbed
from lossy_lightning.profiling import is_quantizer, owners


class BitWidthAudit(Callback):
    """Stops a run whose layers compute with more bits than they declare.

    Declared widths are those of the quantizers (of Brevitas, or of anything with such a `bit_width`) and of the
    quantized tensors that come in. They are compared with all values that a quantizer puts out, and with all inputs and
    weights that a layer multiplies, by whichever function of torch: linear, convolution, `matmul`, `addmm`, `einsum`,
    `tensordot`, `inner`, attention, recurrent layers, … One bit means the two values of one scale (for weights, of one
    scale per channel); n bits mean at most 2^n steps of the scale, or that many floats. The zeros of padding do not
    count as input.

    The audit reads what runs anyway, in fit, validate and test, and changes none of it. It logs nothing. What it cannot
    check it says once, by name, and leaves out.

    Args:
        every_n_batches: The first batch of each epoch is audited, and every n-th after it.

    Raises:
        MisconfigurationException: In the audited batch, with the layer's name and the values that it should not hold.

    Example:
        >>> trainer = Trainer(callbacks=[BitWidthAudit(every_n_batches=50)], logger=False)
    """

    def __init__(self, every_n_batches: int = 100) -> None:
        if every_n_batches < 1:
            raise InputError(f"every_n_batches is 1 or more; got {every_n_batches}")
        self.every_n_batches = every_n_batches
        self._handles: list[Any] = []
        self._said: set[str] = set()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Watch a batch if it is due."""
        self._watch(pl_module, batch_idx)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Watch a batch if it is due."""
        self._watch(pl_module, batch_idx)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Watch a batch if it is due."""
        self._watch(pl_module, batch_idx)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop watching."""
        self._unwatch()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop watching."""
        self._unwatch()

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop watching."""
        self._unwatch()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop watching."""
        self._unwatch()

    def _watch(self, model: nn.Module, batch_idx: int) -> None:
        if batch_idx % self.every_n_batches:
            return
        checked: Any = WeakTensorKeyDictionary()  # a quantizer's output is looked at once
        parts = list(owners(model))
        layers = {name: module for name, module, owner in parts if name == owner}
        try:
            with undisturbed(model):
                watches = {
                    name: Layer(name, layer, checked, self._say)
                    for name, layer in layers.items()
                    if is_quantized(layer)
                }
        except ValueError as error:  # what cannot be put back, or has no size yet
            self._say(f"nothing in this batch: {error}")
            return
        for name, module, owner in parts:
            if name != owner and is_quantizer(module):
                role = name.rpartition(".")[2]
                axis = channel_axis(layers[owner]) if role == "weight_quant" else None
                self._handles.append(
                    module.register_forward_hook(quantizer_check(owner, role, axis, checked, self._say))
                )
        for name, watch in watches.items():
            self._handles += [
                layers[name].register_forward_pre_hook(watch.enter, with_kwargs=True),
                layers[name].register_forward_hook(watch.leave, always_call=True),
            ]

    def _unwatch(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            rank_zero_warn(f"BitWidthAudit does not check {text}")
