"""Every operation of a forward, seen and counted for the module that runs it."""

from collections import Counter
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lossy_lightning.profiling._operations import (
    BLANKS,
    NORMALISATIONS,
    factors,
    is_move,
    is_pooling,
    may_be_missed,
    multiply_accumulates,
    names,
    operation_name,
    quantized_bit_width,
)
from lossy_lightning.profiling._packed import packed_rows, packed_work
from lossy_lightning.profiling._tags import Tag, Tags, carried
from lossy_lightning.profiling.profiles import Lookups
from lossy_lightning.profiling.widths import dtype_bit_width, tensors_of

# What wrappers of tensors, such as jagged ones, answer themselves.
_QUESTIONS = names(
    "sym_is_contiguous is_contiguous is_strides_like_format is_non_overlapping_and_dense size sym_size stride "
    "sym_stride storage_offset sym_storage_offset numel sym_numel dim prim::layout"
)


class Trace:
    """What each module did in one forward, by the module's name.

    Attributes:
        macs: Bit width -> multiply-accumulates.
        features: Bit width -> values put out by features' operations.
        lookups: Rows read and additions.
        shapes: Shape of the first tensor that the module returned.
        unseen: Names of the operations and modules whose work could not be seen.
        widths: Id of a quantizer -> bit width of what it put out last.
        origins: Ids of the plain attributes that were multiplied.
    """

    def __init__(self) -> None:
        self.macs: dict[str, Counter[int]] = {}
        self.features: dict[str, Counter[int]] = {}
        self.lookups: dict[str, Lookups] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.unseen: set[str] = set()
        self.widths: dict[int, int] = {}
        self.origins: set[int] = set()


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation; is told by hooks which module runs it, and what quantizers put out.

    A declared width stays with the values while these are only moved: flattened, padded, max-pooled. Zeros that start a
    recurrence are as wide as what the same weights are multiplied with later.
    """

    supports_higher_order_operators = True

    def __init__(self, result: Trace) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.result = result
        self.tags = Tags()
        self.stack: list[tuple[str, bool]] = []  # name of the module, whether its inner steps are no features
        self.quantizing = 0  # depth within quantizers, and in what is counted as one
        self._blanks: list[tuple[tuple[str, int], int, int, int]] = []  # place, width, products, features
        self._widest: dict[tuple[str, int], int] = {}

    @property
    def hidden(self) -> bool:
        """Whether what runs now makes no features."""
        return self.quantizing > 0 or any(whole for _, whole in self.stack)

    @property
    def name(self) -> str:
        """Of the module that runs now."""
        return self.stack[-1][0] if self.stack else ""

    def add_work(self, macs: int, bit_width: int, out: Tensor, *, feature: bool) -> None:
        """Count a product for the module that runs now, and its output as a feature."""
        _add(self.result.macs, self.name, bit_width, macs)
        if feature and not self.hidden:
            _add(self.result.features, self.name, bit_width * (2 if out.is_complex() else 1), out.numel())

    def finish(self) -> None:
        """Give products with zeros the width of the later ones with the same weights."""
        for place, width, macs, values in self._blanks:
            wider = self._widest.get(place, width)
            for counts, count in ((self.result.macs, macs), (self.result.features, values)):
                if count and wider != width:
                    _add(counts, place[0], width, -count)
                    _add(counts, place[0], wider, count)
                    counts[place[0]] = +counts[place[0]]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, torch._ops.HigherOrderOperator):
            return self._higher_order(func, args, kwargs)
        name = operation_name(func)
        if name in _QUESTIONS:
            return NotImplemented
        given = tensors_of((args, kwargs))
        wrapper = next((type(tensor) for tensor in given if _is_wrapper(type(tensor))), None)
        if wrapper is not None:  # its own operations are seen instead
            with self:
                out = wrapper.__torch_dispatch__(func, types, args, kwargs)
            for tensor in tensors_of(out):
                self.tags.set(tensor, Tag())
            return out
        nested = any(tensor.is_nested for tensor in given)
        if _can_decompose(func) and not nested:  # under inference mode, operations come before they were broken down
            with self:
                return func.decompose(*args, **kwargs)
        out = func(*args, **kwargs)
        try:
            if not self.quantizing:
                self._count(func, args, kwargs, out)
        except Exception:  # exotic tensors may lack what counting asks for
            self.result.unseen.add(_full(name))
        self._tag(func, given, args, out)
        return out

    def _higher_order(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run the branches and loops of an operation on functions, so that what they do is seen."""
        name = operation_name(func)
        if name == "cond":
            with self:
                return args[1](*args[3]) if bool(args[0]) else args[2](*args[3])
        if name == "while_loop":
            proceed, step, carried_values, others = args[:4]
            with self:
                while bool(proceed(*carried_values, *others)):
                    carried_values = step(*carried_values, *others)
            return tuple(carried_values)
        out = func(*args, **kwargs)
        macs = multiply_accumulates(func, args, kwargs, out)
        if macs is None:
            self.result.unseen.add(name)
        elif not self.quantizing:
            self.add_work(macs, max(map(self.tags.bit_width, args[:3])), tensors_of(out)[0], feature=False)
        for tensor in tensors_of(out):
            self.tags.set(tensor, Tag())
        return out

    def _tag(self, func: Any, given: list[Tensor], args: Any, out: Any) -> None:
        name = operation_name(func)
        if name == "lift_fresh":  # values from outside of torch: literals, or NumPy's results
            return
        sources = given[1:] if name == "copy" else given
        tag = carried(
            [self.tags.get(tensor) for tensor in sources],
            [tensor.is_floating_point() for tensor in sources],
            moves=is_move(func),
        )
        if name == "copy" and not self.tags.is_constant(given[0]):
            tag = tag._replace(constant=False)
        declared = quantized_bit_width(func, args)
        if declared is not None or name in BLANKS:
            tag = tag._replace(bit_width=declared, blank=name in BLANKS)
        for tensor in (out,) if isinstance(out, Tensor) else tensors_of(out):
            self.tags.set(tensor, tag if tensor.is_floating_point() else tag._replace(bit_width=None))

    def _count(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        name = operation_name(func)
        packed = packed_work(name, args, out)
        macs = None if packed else multiply_accumulates(func, args, kwargs, out)
        rows = _rows(name, args, out)
        if packed is not None:
            self.add_work(*packed, tensors_of(out)[0], feature=True)
        elif macs is not None:
            self._add_product(func, args, macs, tensors_of(out)[0])
        elif rows is not None:
            before = self.result.lookups.get(self.name, Lookups(0, 0))
            self.result.lookups[self.name] = Lookups(before.rows + rows.rows, before.additions + rows.additions)
        elif may_be_missed(func, args, out):
            self.result.unseen.add(_full(name))
        if macs is None and packed is None and (rows or self._makes_features(func, args)) and not self.hidden:
            first = tensors_of(out)[0]
            _add(self.result.features, self.name, self._output_width(func, args, first), first.numel())

    def _add_product(self, func: Any, args: Any, macs: int, out: Tensor) -> None:
        multiplied = factors(func, args)
        for tensor in multiplied:
            tag = self.tags.get(tensor)
            self.result.origins.update(tag.origins if tag is not None else ())
        solid = [tensor for tensor in multiplied if not self.tags.is_blank(tensor)] or multiplied
        width = max(map(self.tags.bit_width, solid))
        feature = operation_name(func) == "convolution" or any(map(self.tags.is_constant, multiplied))
        real = 4 if all(tensor.is_complex() for tensor in multiplied) else 1
        self.add_work(real * macs, width, out, feature=feature)
        weight = next((tensor for tensor in solid if self.tags.is_constant(tensor)), None)
        if weight is None:
            return
        place = (self.name, _address(weight))
        if len(solid) < len(multiplied):
            self._blanks.append((place, width, real * macs, out.numel() if feature and not self.hidden else 0))
        else:
            self._widest[place] = max(width, self._widest.get(place, 0))

    def _output_width(self, func: Any, args: Any, out: Tensor) -> int:
        widths = [self.tags.bit_width(t) for t in tensors_of(args) if t.is_floating_point()]
        return min(max(widths), dtype_bit_width(out)) if widths and is_move(func) else dtype_bit_width(out)

    def _makes_features(self, func: Any, args: Any) -> bool:
        """Normalisation, pooling, or the sum of two features of one shape."""
        name = operation_name(func)
        if name in ("add", "quantized::add", "quantized::add_relu") and all(isinstance(a, Tensor) for a in args[:2]):
            a, b = args[:2]
            values = a.is_floating_point() or a.is_quantized
            features = values and not (self.tags.is_constant(a) or self.tags.is_constant(b))
            return features and a.shape == b.shape and a.ndim > 0
        return name in NORMALISATIONS or is_pooling(func, args)


def _full(name: str) -> str:
    return name if "::" in name else f"aten::{name}"


def _address(tensor: Tensor) -> int:
    """Where a tensor's values lie, the same for all views of it."""
    try:
        return 0 if tensor.untyped_storage().device.type == "meta" else tensor.data_ptr()
    except (RuntimeError, NotImplementedError):  # sparse, or without memory
        return 0


def _add(counts: dict[str, Counter[int]], name: str, bit_width: int, count: int) -> None:
    counts.setdefault(name, Counter())[bit_width] += count


def _rows(name: str, args: Any, out: Any) -> Lookups | None:
    """Rows that an operation reads from a table, and additions of these; None if it reads none."""
    packed = packed_rows(name, args, out)
    if packed is not None:
        return Lookups(*packed)
    if not name.startswith(("embedding", "_embedding_bag")) or name.startswith("embedding_renorm"):
        return None
    rows = args[1].numel()
    sums = name != "embedding" and (len(args) < 5 or args[4] != 2)
    return Lookups(rows, rows * args[0].shape[1] if sums else 0)


@lru_cache(4096)
def _can_decompose(func: Any) -> bool:
    return func.namespace != "prim" and bool(func._can_decompose())


@lru_cache(4096)
def _is_wrapper(kind: Any) -> bool:
    """Whether tensors are made of others and run operations on these."""
    plain = kind.__torch_dispatch__ in (Tensor.__torch_dispatch__, torch._C._disabled_torch_dispatch_impl)
    return hasattr(kind, "__tensor_flatten__") and not plain
