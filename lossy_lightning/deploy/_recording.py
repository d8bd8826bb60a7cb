"""One forward of a network on one code, written down operation by operation.

Recorded are the operations of torch that depend on the code, as `torch.utils._python_dispatch.TorchDispatchMode` sees
them; what depends on weights alone is computed on the way. So every module is read alike, whoever wrote it: of layers,
quantizers and control flow nothing remains but the arithmetic that they do.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from lossy_lightning.core import InputError
from lossy_lightning.profiling import owners


@dataclass(frozen=True)
class Ref:
    """A value of the recording in the place of a tensor."""

    index: int


@dataclass
class Node:
    """An operation.

    Attributes:
        function: The operation, such as ``torch.ops.aten.mm.default``.
        args: Its arguments; tensors that depend on the code are a `Ref`.
        kwargs: Likewise.
        output: Which of its outputs this value is, None if it has one.
        value: What it made.
        layer: Name of the module that it was done in.
        inputs: The values that it reads.
    """

    function: Any
    args: Any
    kwargs: dict[str, Any]
    output: int | None
    value: Tensor
    layer: str
    inputs: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the operation without overload; that of the plain form if it is done in place."""
        name = str(self.function._schema.name).split("::")[1]
        return name[:-1] if name.endswith("_") else name

    def run(self, values: dict[int, Tensor]) -> Tensor:
        """Do it again on other values."""
        mutated = [arg.alias_info is not None and arg.alias_info.is_write for arg in self.function._schema.arguments]
        names = {arg.name for arg, written in zip(self.function._schema.arguments, mutated, strict=True) if written}

        def given(tree: Any, written: bool) -> Any:
            def one(item: Any) -> Any:
                tensor = values[item.index] if isinstance(item, Ref) else item
                return tensor.clone() if written and isinstance(tensor, Tensor) else tensor

            return tree_map(one, tree, is_leaf=lambda item: isinstance(item, Ref))

        args = [given(arg, written) for arg, written in zip(self.args, mutated, strict=False)]
        kwargs = {name: given(arg, name in names) for name, arg in self.kwargs.items()}
        made = self.function(*args, **kwargs)
        result: Tensor = made if self.output is None else made[self.output]
        return result


def record(model: nn.Module, code: Tensor) -> tuple[list[Node | None], int]:
    """Run a network on one code.

    Returns:
        The values, first the code (None), and the index of what the network returned.

    Raises:
        ValueError: If it returns something else than one tensor that depends on the code.
    """
    recorder = _Recorder(code)
    layers = _layers(model, recorder)
    was_training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad(), _Names(), recorder:
            output = model(code)
    finally:
        for handle in layers:
            handle.remove()
        for module, training in was_training:
            module.training = training
    output = output if isinstance(output, Tensor) else getattr(output, "value", None)
    if not isinstance(output, Tensor) or id(output) not in recorder.known:
        raise InputError("a network that can be packed returns one tensor of logits that depends on the code")
    return recorder.nodes, recorder.known[id(output)]


class _Names(TorchFunctionMode):
    """Keeps dimensions without names, which cannot pass a dispatch mode; Brevitas gives and takes them in passing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (Tensor.rename, Tensor.rename_):
            return args[0]
        return func(*args, **(kwargs or {}))


def _layers(model: nn.Module, recorder: "_Recorder") -> list[Any]:
    """Tell a recorder which layer runs."""

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: recorder.stack.append(name)

    def leave(*_: Any) -> None:
        recorder.stack.pop()

    handles: list[Any] = []
    for _, module, owner in owners(model):
        handles.append(module.register_forward_pre_hook(enter(owner), prepend=True))
        handles.append(module.register_forward_hook(leave, always_call=True))
    return handles


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, code: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.nodes: list[Node | None] = [None]
        self.known = {id(code): 0}  # id of a tensor -> its value
        self.kept: list[Tensor] = [code]  # so that no id is given twice
        self.stale: set[int] = set()
        self.stack = [""]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inputs: list[int] = []

        def refer(item: Any) -> Any:
            if not isinstance(item, Tensor) or id(item) not in self.known:
                return item
            if id(item) in self.stale:
                raise InputError(
                    f"layer {self.stack[-1]!r} changes a tensor in place that is read again through a view"
                )
            inputs.append(self.known[id(item)])
            return Ref(inputs[-1])

        noted, named = tree_map(refer, list(args)), tree_map(refer, kwargs)
        made = func(*args, **kwargs)
        if inputs:
            self._note(func, (noted, named), made, inputs)
        return made

    def _note(self, func: Any, given: tuple[Any, Any], made: Any, inputs: list[int]) -> None:
        several = isinstance(made, (tuple, list))
        for place, tensor in enumerate(made if several else [made]):
            if not isinstance(tensor, Tensor):
                continue
            if id(tensor) in self.known:  # changed in place, and with it all that share its memory
                same = tensor.untyped_storage().data_ptr()
                self.stale |= {
                    id(other)
                    for other in self.kept
                    if other is not tensor and other.untyped_storage().data_ptr() == same
                }
            value = tensor.detach().clone() if id(tensor) in self.known else tensor
            node = Node(func, *given, place if several else None, value, self.stack[-1], list(dict.fromkeys(inputs)))
            self.known[id(tensor)] = len(self.nodes)
            self.nodes.append(node)
            self.kept.append(tensor)
