"""One forward of a live model, watched operation by operation."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from lossy_lightning.profiling._operations import (
    NORMALISATIONS,
    factors,
    is_move,
    is_pooling,
    may_be_missed,
    multiply_accumulates,
    operation_name,
)
from lossy_lightning.profiling.profiles import Lookups
from lossy_lightning.profiling.widths import (
    dtype_bit_width,
    is_quant_tensor,
    is_quantizer,
    owners,
    tensors_of,
)

# Modules whose inner steps are no features of the model: only their output counts, once.
_WHOLE = (nn.RNNBase, nn.RNNCellBase, nn.RMSNorm)


class _Tag(NamedTuple):
    """What is known of a tensor: bits declared for a value (None: its dtype's), and whether it is a weight."""

    bit_width: int | None
    constant: bool


class Trace:
    """What each module did in one forward, by the module's name.

    Attributes:
        macs: Bit width -> multiply-accumulates.
        features: Bit width -> values put out by features' operations.
        lookups: Rows read and additions.
        shapes: Shape of the first tensor that the module returned.
        unseen: Names of the operations and modules whose work could not be seen.
    """

    def __init__(self) -> None:
        self.macs: dict[str, Counter[int]] = {}
        self.features: dict[str, Counter[int]] = {}
        self.lookups: dict[str, Lookups] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.unseen: set[str] = set()


def trace(model: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Trace:
    """Run one forward within `undisturbed` and note what each module did."""
    result = Trace()
    recorder = _Recorder(result)
    for tensor in (*model.parameters(), *model.buffers()):
        recorder.tags[tensor] = _Tag(None, constant=True)
    for tensor in tensors_of((arguments, keywords)):
        recorder.tags[tensor] = _Tag(None, constant=False)
    handles = [handle for name, module, owner in owners(model) for handle in recorder.watch(name, module, owner)]
    try:
        with recorder, _Nameless():
            model(*arguments, **keywords)
    finally:
        for handle in handles:
            handle.remove()
    return result


class _Nameless(TorchFunctionMode):
    """Leaves dimensions without names, which cannot pass a dispatch mode; Brevitas gives and takes them in passing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func in (Tensor.rename, Tensor.rename_) else func(*args, **(kwargs or {}))


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation, and by hooks the module that runs it and the tensors that quantizers made.

    A declared width stays with the values while these are only moved: flattened, padded, max-pooled.
    """

    def __init__(self, result: Trace) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.result = result
        self.tags: Any = WeakTensorKeyDictionary()
        self.stack: list[tuple[str, bool]] = []  # name of the module, whether its inner steps are no features
        self.quantizing = 0

    def watch(self, name: str, module: nn.Module, owner: str) -> list[Any]:
        """Register the hooks that a module needs: none inside a quantizer; TorchScript takes none."""
        if isinstance(module, torch.jit.ScriptModule):
            return []
        if name == owner:
            enter, leave = self._enter(name, module), self._leave(name, module)
        elif is_quantizer(module):
            enter, leave = self._enter_quantizer, self._leave_quantizer
        else:
            return []
        return [
            module.register_forward_pre_hook(enter, prepend=True, with_kwargs=True),
            module.register_forward_hook(leave, with_kwargs=True, always_call=True),
        ]

    def _enter(self, name: str, module: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, args: Any, kwargs: Any) -> None:
            self._declare((args, kwargs))
            self.stack.append((name, isinstance(module, _WHOLE)))

        return hook

    def _leave(self, name: str, module: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            self.stack.pop()
            outputs = tensors_of(output)
            if not outputs:
                return
            self.result.shapes[name] = tuple(outputs[0].shape)
            if isinstance(module, _WHOLE) and not self._hidden():
                self._add(self.result.features, name, dtype_bit_width(outputs[0]), outputs[0].numel())
            given = {id(tensor) for tensor in tensors_of((args, kwargs))}
            if any(tensor not in self.tags and id(tensor) not in given for tensor in outputs):
                self.result.unseen.add(f"{name or type(module).__name__} (its output was not made by torch)")

        return hook

    def _enter_quantizer(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        self.quantizing += 1

    def _leave_quantizer(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if getattr(module, "is_quant_enabled", True):
            self._declare(output)
        self.quantizing -= 1

    def _declare(self, tree: Any) -> None:
        """Note the widths of the quantized tensors among some values."""
        for leaf in tree_leaves(tree, is_leaf=is_quant_tensor):
            if is_quant_tensor(leaf):
                tag = self.tags.get(leaf.value, _Tag(None, constant=False))
                self.tags[leaf.value] = tag._replace(bit_width=math.ceil(float(leaf.bit_width)))

    def _hidden(self) -> bool:
        return self.quantizing > 0 or any(whole for _, whole in self.stack)

    def _add(self, counts: dict[str, Counter[int]], name: str, bit_width: int, count: int) -> None:
        counts.setdefault(name, Counter())[bit_width] += count

    def _bit_width(self, tensor: Tensor) -> int:
        tag = self.tags.get(tensor)
        return dtype_bit_width(tensor) if tag is None or tag.bit_width is None else int(tag.bit_width)

    def _is_constant(self, tensor: Tensor) -> bool:
        tag = self.tags.get(tensor)
        return tag is not None and bool(tag.constant)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with self:  # under inference mode, operations come before they were broken down
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        out = func(*args, **kwargs)
        if not self.quantizing:
            self._count(func, args, kwargs, out)
        self._tag(func, args, kwargs, out)
        return out

    def _tag(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        if operation_name(func) == "lift_fresh":  # values from outside of torch: literals, or NumPy's results
            return
        given = tensors_of((args, kwargs))
        constant = all(self._is_constant(tensor) for tensor in given)
        sources = [t for t in (given[1:] if operation_name(func) == "copy" else given) if t.is_floating_point()]
        tags = [self.tags.get(tensor) for tensor in sources]
        widths = [None if tag is None else tag.bit_width for tag in tags]
        known = is_move(func) and widths and None not in widths
        for tensor in tensors_of(out):
            width = max(filter(None, widths)) if known and tensor.is_floating_point() else None
            self.tags[tensor] = _Tag(width, constant)

    def _count(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        name = self.stack[-1][0] if self.stack else ""
        macs = multiply_accumulates(func, args, kwargs, out)
        width = max(map(self._bit_width, factors(func, args))) if macs else 0
        if macs:
            self._add(self.result.macs, name, width, macs)
        table = operation_name(func) if operation_name(func).startswith(("embedding", "_embedding_bag")) else ""
        if table:
            rows = args[1].numel()
            adds = rows * args[0].shape[1] if table != "embedding" and (len(args) < 5 or args[4] != 2) else 0
            before = self.result.lookups.get(name, Lookups(0, 0))
            self.result.lookups[name] = Lookups(before.rows + rows, before.additions + adds)
        if not macs and not table and may_be_missed(func, args, out):
            self.result.unseen.add(func._schema.name)
        if (table or self._makes_features(func, args, macs)) and not self._hidden():
            first = tensors_of(out)[0]
            self._add(
                self.result.features, name, width if macs else self._output_width(func, args, first), first.numel()
            )

    def _output_width(self, func: Any, args: Any, out: Tensor) -> int:
        widths = [self._bit_width(t) for t in tensors_of(args) if t.is_floating_point()]
        return min(max(widths), dtype_bit_width(out)) if is_move(func) else dtype_bit_width(out)

    def _makes_features(self, func: Any, args: Any, macs: int) -> bool:
        """Convolution, linear, normalisation, pooling, or the sum of two features of one shape."""
        name = operation_name(func)
        if macs:
            return name == "convolution" or any(map(self._is_constant, factors(func, args)))
        if name == "add" and all(isinstance(arg, Tensor) for arg in args[:2]):
            a, b = args[:2]
            features = a.is_floating_point() and not (self._is_constant(a) or self._is_constant(b))
            return features and a.shape == b.shape and a.ndim > 0
        return name in NORMALISATIONS or is_pooling(func, args)
