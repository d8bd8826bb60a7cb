"""One forward of a live model, watched operation by operation."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lossy_lightning.profiling._recording import Recorder, Trace
from lossy_lightning.profiling._tags import Tag
from lossy_lightning.profiling.plain import held_tensors, plain_tensors
from lossy_lightning.profiling.widths import (
    declared_bit_width,
    dtype_bit_width,
    is_quant_tensor,
    is_quantizer,
    owners,
    quant_tensor_bit_width,
    tensors_of,
)

# Modules whose inner steps are no features of the model: only their output counts, once.
_WHOLE = (nn.RNNBase, nn.RNNCellBase, nn.RMSNorm)
_CONVOLUTIONS = {torch.conv1d, torch.conv2d, torch.conv3d}
_TRANSPOSED = {torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d}


def trace(model: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Trace:
    """Run one forward within `undisturbed` and note what each module did."""
    result = Trace()
    recorder = Recorder(result)
    modules = list(owners(model))
    plain = {id(tensor): (tensor, _version(tensor)) for _, tensor in plain_tensors(module for _, module, _ in modules)}
    for key, (tensor, _) in plain.items():
        recorder.tags.set(tensor, Tag(constant=True, origins=frozenset([key])))
    for _, module, _ in modules:
        for tensor in held_tensors(module):
            recorder.tags.set(tensor, Tag(constant=True))
    for tensor in tensors_of((arguments, keywords)):
        recorder.tags.set(tensor, Tag())
    hooks = _Hooks(recorder, modules)
    try:
        with recorder, _Functions(recorder):
            model(*arguments, **keywords)
    finally:
        hooks.remove()
    recorder.finish()
    if result.origins:  # a state was replaced or written to
        still = {id(tensor) for _, tensor in plain_tensors(model.modules())}
        result.origins = {key for key in result.origins if key in still and _version(plain[key][0]) == plain[key][1]}
    return result


def _version(tensor: Tensor) -> int:
    """How often a tensor was written to, as far as that is known."""
    return 0 if tensor.is_inference() else int(tensor._version)


class _Functions(TorchFunctionMode):
    """Functions that cannot pass as they are.

    Dimensions stay without names, which cannot pass a dispatch mode; Brevitas gives and takes them in passing. A
    complex convolution counts as one, as a complex linear layer does, not as the three real ones that torch makes of
    it.
    """

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (Tensor.rename, Tensor.rename_):
            return args[0]
        if func in _CONVOLUTIONS or func in _TRANSPOSED:
            image, weight = [*args, *(kwargs[key] for key in ("input", "weight") if key in kwargs)][:2]
            if isinstance(image, Tensor) and image.is_complex() and not self.recorder.quantizing:
                return self._complex_convolution(func, image, weight, args, kwargs)
        return func(*args, **kwargs)

    def _complex_convolution(self, func: Any, image: Tensor, weight: Tensor, args: Any, kwargs: Any) -> Any:
        self.recorder.quantizing += 1
        try:
            out = func(*args, **kwargs)
        finally:
            self.recorder.quantizing -= 1
        positions = image if func in _TRANSPOSED else out
        width = max(map(self.recorder.tags.bit_width, (image, weight)))
        self.recorder.add_work(4 * positions.numel() * weight[0].numel(), width, out, feature=True)
        return out


class _Hooks:
    """Tells a recorder which module runs, and what quantizers put out. TorchScript takes no hooks."""

    def __init__(self, recorder: Recorder, modules: list[tuple[str, nn.Module, str]]) -> None:
        self.recorder = recorder
        self.handles: list[Any] = []
        quantizers: dict[str, nn.Module] = {}
        for name, module, owner in modules:
            if isinstance(module, torch.jit.ScriptModule):
                continue
            if name == owner:
                self._hook(module, self._enter(name, module), self._leave(name, module))
            elif is_quantizer(module):
                quantizers[name] = module
                self._hook(module, self._enter_quantizer, self._leave_quantizer(module))
            else:
                parent = name.rpartition(".")[0]
                served = quantizers.get(parent) or quantizers.get(parent.rpartition(".")[0])
                if served is not None and module._modules:  # recurrent cells call the inner part of a quantizer
                    self._hook(module, self._enter_quantizer, self._leave_part(served))

    def remove(self) -> None:
        """Take all hooks off."""
        for handle in self.handles:
            handle.remove()

    def _hook(self, module: nn.Module, enter: Callable[..., None], leave: Callable[..., None]) -> None:
        self.handles += [
            module.register_forward_pre_hook(enter, prepend=True, with_kwargs=True),
            module.register_forward_hook(leave, with_kwargs=True, always_call=True),
        ]

    def _enter(self, name: str, module: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, args: Any, kwargs: Any) -> None:
            self._declare((args, kwargs))
            self.recorder.stack.append((name, isinstance(module, _WHOLE)))

        return hook

    def _leave(self, name: str, module: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            recorder = self.recorder
            recorder.stack.pop()
            outputs = tensors_of(output)
            if not outputs or outputs[0].is_nested:
                return
            recorder.result.shapes[name] = tuple(outputs[0].shape)
            if isinstance(module, _WHOLE) and not recorder.hidden:
                features = recorder.result.features.setdefault(name, Counter())
                features[dtype_bit_width(outputs[0])] += outputs[0].numel()
            given = {id(tensor) for tensor in tensors_of((args, kwargs))}
            if any(recorder.tags.get(tensor) is None and id(tensor) not in given for tensor in outputs):
                recorder.result.unseen.add(f"{name or type(module).__name__} (its output was not made by torch)")

        return hook

    def _enter_quantizer(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        self.recorder.quantizing += 1

    def _leave_quantizer(self, quantizer: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            try:
                if not getattr(quantizer, "is_quant_enabled", True):
                    return
                if is_quant_tensor(output):
                    self._declare(output)
                    self.recorder.result.widths[id(quantizer)] = quant_tensor_bit_width(output)
                elif isinstance(output, Tensor) and not any(output is given for given in args):
                    self._declare_by(quantizer, output)
            finally:
                self.recorder.quantizing -= 1

        return hook

    def _leave_part(self, quantizer: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            if self.recorder.quantizing == 1 and isinstance(output, tuple) and isinstance(output[0], Tensor):
                self._declare_by(quantizer, output[0])
            self.recorder.quantizing -= 1

        return hook

    def _declare_by(self, quantizer: nn.Module, tensor: Tensor) -> None:
        """Note the width that a quantizer declares for a plain tensor that it put out."""
        widths = self.recorder.result.widths
        if id(quantizer) not in widths:
            declared = declared_bit_width(quantizer)
            if declared is None:
                return
            widths[id(quantizer)] = declared
        self.recorder.tags.declare(tensor, widths[id(quantizer)])

    def _declare(self, tree: Any) -> None:
        """Note the widths of the quantized tensors among some values."""
        for item in _quant_tensors(tree):
            width = quant_tensor_bit_width(item)
            grouped = getattr(item, "value_", None)  # values by group, of which each reading makes new ones
            self.recorder.tags.declare(grouped if isinstance(grouped, Tensor) else item.value, width)


def _quant_tensors(tree: Any) -> list[Any]:
    if isinstance(tree, Tensor):
        return []
    if is_quant_tensor(tree):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (list, tuple)) else ()
    return [found for part in parts for found in _quant_tensors(part)]
