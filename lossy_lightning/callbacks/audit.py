"""Does each layer compute with as few bits as it declares?"""

import math
from collections.abc import Callable
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from lossy_lightning.core import InputError
from lossy_lightning.functional import undisturbed
from lossy_lightning.profiling import declared_bit_width, is_quant_tensor, is_quantizer, owners, stray_values

_PRODUCTS = frozenset(
    ["linear", "matmul", "__matmul__", "mm", "bmm"]
    + [f"conv{transposed}{n}d" for transposed in ("", "_transpose") for n in (1, 2, 3)]
)


class BitWidthAudit(Callback):
    """Stops a run whose layers compute with more bits than they declare.

    Declared widths are those of the quantizers (of Brevitas, or of anything with such a `bit_width`) and of the
    quantized tensors that come in. They are compared with all values that a quantizer puts out, and with all inputs and
    weights that a layer multiplies. One bit means the two values of one scale (for weights, of one scale per channel);
    n bits mean at most 2^n steps of the scale. The zeros of padding do not count as input.

    The audit reads what runs anyway, in fit, validate and test, and changes none of it. It logs nothing.

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
        layers = {name: module for name, module, owner in owners(model) if name == owner}
        with undisturbed(model):
            watches = {name: _Layer(name, layer, checked) for name, layer in layers.items() if _is_quantized(layer)}
        for name, module, owner in owners(model):
            if name != owner and is_quantizer(module):
                role = name.rpartition(".")[2]
                axis = _channel_axis(layers[owner]) if role == "weight_quant" else None
                self._handles.append(module.register_forward_hook(_quantizer_check(owner, role, axis, checked)))
        for name, watch in watches.items():
            self._handles += [
                layers[name].register_forward_pre_hook(watch.enter, with_kwargs=True),
                layers[name].register_forward_hook(watch.leave, always_call=True),
            ]

    def _unwatch(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


def _is_quantized(layer: nn.Module) -> bool:
    return hasattr(layer, "weight_quant") or hasattr(layer, "input_quant")


def _channel_axis(layer: nn.Module) -> int:
    """The axis of the output channels in a layer's weights."""
    return int(getattr(layer, "output_channel_dim", 0))


def _quantizer_check(layer: str, role: str, axis: int | None, checked: Any) -> Callable[..., None]:
    """A hook that checks the output of a quantizer against the width declared with it."""

    def hook(quantizer: nn.Module, args: Any, output: Any) -> None:
        if getattr(quantizer, "is_quant_enabled", True) and is_quant_tensor(output):
            bit_width = math.ceil(float(output.bit_width))
            _check(layer, role, output, bit_width, axis)
            checked[output.value] = bit_width

    return hook


def _check(layer: str, role: str, operand: Any, bit_width: int, axis: int | None) -> None:
    """Check some values, quantized tensors by their scale.

    Raises:
        MisconfigurationException: If they take more than their bits.
    """
    value, scale, zero_point = operand, None, None
    if is_quant_tensor(operand):
        is_float = hasattr(operand, "exponent_bit_width")  # steps of unequal size
        value = operand.value
        scale, zero_point = (None, None) if is_float else (operand.scale, operand.zero_point)
    with torch.no_grad():
        stray = stray_values(value, bit_width, scale, zero_point, axis)
    if stray is not None:
        raise MisconfigurationException(
            f"layer {layer!r} declares {bit_width} bits for its {role}, which takes values such as {stray.tolist()}; "
            f"{bit_width} bits allow at most {2**bit_width} values, the steps of one scale. "
            "Quantize what enters the layer, or declare the width that it really has."
        )


class _Layer(TorchFunctionMode):
    """Watches what one layer multiplies while its `forward` runs."""

    def __init__(self, name: str, layer: nn.Module, checked: Any) -> None:
        super().__init__()
        self.name = name
        self.axis = _channel_axis(layer)
        self.weight_bits = declared_bit_width(getattr(layer, "weight_quant", None))
        self.own_input_bits = declared_bit_width(getattr(layer, "input_quant", None))
        self.input_bits = self.own_input_bits
        self.checked = checked
        self.unpadded: Any = WeakTensorKeyDictionary()  # padded tensor -> what was padded

    def enter(self, layer: nn.Module, args: Any, kwargs: Any) -> None:
        """Take the declared width of the input, then watch."""
        given: Any = next(iter((*args, *kwargs.values())), None)
        self.input_bits = self.own_input_bits
        if self.input_bits is None and is_quant_tensor(given):
            self.input_bits = math.ceil(float(given.bit_width))
        self.__enter__()  # type: ignore[no-untyped-call]

    def leave(self, layer: nn.Module, args: Any, output: Any) -> None:
        """Stop watching."""
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _PRODUCTS:
            operands = [*args, *(kwargs[key] for key in ("input", "weight", "other") if key in kwargs)]
            self._see("input", operands[0], self.input_bits, None)
            self._see("weight", operands[1], self.weight_bits, self.axis)
        out = func(*args, **kwargs)
        if name == "pad" and isinstance(out, Tensor):
            self.unpadded[out] = args[0]
        return out

    def _see(self, role: str, operand: Any, bit_width: int | None, axis: int | None) -> None:
        if bit_width is None:
            return
        if isinstance(operand, Tensor) and operand in self.unpadded:
            operand = self.unpadded[operand]
        value = operand.value if is_quant_tensor(operand) else operand
        if not self.checked.get(value, bit_width + 1) <= bit_width:
            _check(self.name, role, operand, bit_width, axis)
