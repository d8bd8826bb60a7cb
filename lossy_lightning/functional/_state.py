"""What can be reached from an object, noted and put back: containers, attributes, closures, tensors, random generators.

What belongs to the surroundings of a model is left alone: trainers, loggers, data sets and loaders, files, threads, and
every object that holds a lock, since others may be at work on it.
"""

import enum
import io
import random
import sys
import threading
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import chain
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lossy_lightning.functional._tensor_state import keep_tensor, parts_of

_LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event, threading.Thread)
_ATOMS = frozenset(
    {type(None), bool, int, float, complex, str, bytes, range, slice, type, type(Ellipsis), types.ModuleType}
    | {types.BuiltinFunctionType, types.CodeType, np.dtype, *_LOCKS}
    | {torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format}
)
_CONTAINERS = frozenset([dict, OrderedDict, list, set])
_OPEN = frozenset(["builtins", "collections", "types", "argparse"])  # libraries whose objects are looked into
_SURROUNDINGS = (sys.stdlib_module_names - _OPEN) | {"lightning", "pytorch_lightning", "torch", "numpy"}

_Path = tuple[Any, ...]


class State:
    """The state of everything that some objects hold.

    Args:
        *roots: Models, inputs, functions.

    Raises:
        ValueError: If an iterator can be neither copied nor put back; the message names it.
    """

    def __init__(self, *roots: Any) -> None:
        self._seen: dict[int, Any] = {}  # holds what was met, so that no other object gets its id
        self._restore: list[Callable[[], None]] = []
        self._dicts: list[tuple[dict[Any, Any], list[Any], list[Any]]] = []
        self._empty: list[Any] = []  # containers; modules hold a dozen each
        self._waiting: list[tuple[Any, _Path]] = [(root, (None, type(root).__name__)) for root in roots]
        try:
            while self._waiting:
                self._visit(*self._waiting.pop())
        except BaseException:
            self.put_back()
            raise

    def put_back(self) -> None:
        """Make everything what it was; an error of one thing comes after all others are put back."""
        errors: list[Exception] = []
        refill: list[Callable[[], None]] = [partial(_refill, *one) for one in self._dicts]
        for restore in self._restore + refill:
            try:
                restore()
            except Exception as error:  # whatever a foreign setter says
                errors.append(error)
        for container in self._empty:
            if container:
                container.clear()
        if errors:
            raise errors[0]

    def _visit(self, item: Any, path: _Path) -> None:
        kind: Any = type(item)
        if kind in _ATOMS or isinstance(item, type) or id(item) in self._seen:
            return
        self._seen[id(item)] = item
        if isinstance(item, Tensor):
            self._restore.append(keep_tensor(item))
            self._follow(parts_of(item), path)
        elif isinstance(item, dict):
            self._dict(item, path)
        elif isinstance(item, (list, deque, set, bytearray)):
            self._container(item, path)
        elif isinstance(item, (tuple, frozenset)):
            self._follow(enumerate(item), path)
        elif isinstance(item, torch.jit.ScriptModule):
            self._script(item, path)
        elif isinstance(item, nn.Module):
            for hooks in module_hooks(item):  # which there are; what they hold is their owner's
                self._seen[id(hooks)] = hooks
                self._dicts.append((hooks, list(hooks), list(hooks.values())))
            self._dict(item.__dict__, path)
        elif isinstance(item, (np.ndarray, np.random.Generator, np.random.RandomState, random.Random, torch.Generator)):
            self._source(item)
        elif isinstance(item, (types.FunctionType, types.MethodType, types.CellType, partial)):
            self._function(item, path)
        elif _is_sealed(kind):
            raise ValueError(
                f"{_name(path)} is an iterator ({kind.__name__}) whose position cannot be put back; keep it as an "
                "attribute of a module, or draw from a torch.Generator"
            )
        elif not _is_surrounding(kind):
            self._object(item, path)

    def _follow(self, items: Any, path: _Path) -> None:
        self._waiting.extend((item, (path, key)) for key, item in items if type(item) not in _ATOMS)

    def _dict(self, held: dict[Any, Any], path: _Path) -> None:
        values = list(held.values())
        rest = [index for index, value in enumerate(values) if type(value) not in _ATOMS]
        keys = list(held)
        self._dicts.append((held, keys, values))
        for index in rest:
            value = values[index]
            if type(value) in _CONTAINERS and not value:
                self._empty.append(value)
            elif _is_sealed(value.__class__):
                self._iterator(held, values, index)
            else:
                self._waiting.append((value, (path, keys[index])))
        if not _ATOMS.issuperset(map(type, keys)):
            self._follow(enumerate(keys), path)

    def _iterator(self, held: dict[Any, Any], values: list[Any], index: int) -> None:
        """Lend a sealed iterator through one that remembers what was taken, and give that back first."""
        lent = _Lent(values[index])
        held[list(held)[index]] = lent

        def restore() -> None:
            if lent.taken:
                values[index] = chain(lent.taken, values[index])

        self._restore.append(restore)

    def _container(self, held: Any, path: _Path) -> None:
        before = held.copy()

        def restore() -> None:
            if len(held) != len(before) or not all(map(is_, held, before)):
                held.clear()
                (held.update if isinstance(held, set) else held.extend)(before)

        self._restore.append(restore)
        if not isinstance(held, bytearray):
            self._follow(enumerate(before), path)

    def _source(self, item: Any) -> None:
        """Note an array, or a generator of random numbers."""
        if isinstance(item, np.ndarray):
            if item.flags.writeable:
                array = item.copy()
                self._restore.append(lambda: np.copyto(item, array))
        elif isinstance(item, np.random.Generator):
            state = item.bit_generator.state
            self._restore.append(lambda: setattr(item.bit_generator, "state", state))
        else:
            get, put = _ACCESS[next(kind for kind in _ACCESS if isinstance(item, kind))]
            found = get(item)
            self._restore.append(lambda: put(item, found))

    def _function(self, item: Any, path: _Path) -> None:
        """Look into what a function holds: its closure, its defaults, the object that it is bound to."""
        if isinstance(item, types.MethodType):
            self._follow([("", item.__self__), ("", item.__func__)], path)
        elif isinstance(item, types.FunctionType):
            self._follow([("", item.__closure__), ("", item.__defaults__), ("", item.__kwdefaults__)], path)
            if item.__dict__:
                self._dict(item.__dict__, path)
        elif isinstance(item, types.CellType):
            try:
                content = item.cell_contents
            except ValueError:  # not filled yet
                return
            self._restore.append(lambda: setattr(item, "cell_contents", content))
            self._follow([("", content)], path)
        else:
            self._follow([("", item.func), ("", item.args), ("", item.keywords)], path)

    def _script(self, module: torch.jit.ScriptModule, path: _Path) -> None:
        """Note the attributes of a compiled module, which are no Python objects."""
        compiled = module._c
        kinds: Any = torch._C.ConcreteModuleType.from_jit_type(compiled._type())
        attributes = {name: compiled.getattr(name) for name in kinds.get_attributes() if compiled.hasattr(name)}

        def restore() -> None:
            for name, value in attributes.items():
                if compiled.getattr(name) is not value:
                    compiled.setattr(name, value)

        self._restore.append(restore)
        self._follow(attributes.items(), path)
        self._follow(module.named_children(), path)

    def _object(self, item: Any, path: _Path) -> None:
        """Note the attributes of anything else, in its ``__dict__`` and in its slots."""
        attributes = getattr(item, "__dict__", None)
        if isinstance(attributes, dict):
            if any(isinstance(value, _LOCKS) for value in attributes.values()):
                return
            self._dict(attributes, path)
        slots = [name for kind in type(item).__mro__ for name in _slots(kind)]
        held = {name: getattr(item, name) for name in slots if hasattr(item, name)}
        if held:
            self._restore.extend(partial(object.__setattr__, item, name, value) for name, value in held.items())
            self._follow(held.items(), path)


def module_hooks(module: nn.Module) -> list[dict[Any, Any]]:
    """The dicts of hooks of a module, of any kind, that are not empty."""
    return [value for name, value in module.__dict__.items() if name.endswith("_hooks") and value]


class _Lent:
    """An iterator that remembers what was taken from another one."""

    def __init__(self, source: Iterator[Any]) -> None:
        self.source = source
        self.taken: list[Any] = []

    def __iter__(self) -> "_Lent":
        return self

    def __next__(self) -> Any:
        self.taken.append(next(self.source))
        return self.taken[-1]


_ACCESS: dict[type, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    np.random.RandomState: (lambda item: item.get_state(), lambda item, state: item.set_state(state)),
    random.Random: (lambda item: item.getstate(), lambda item, state: item.setstate(state)),
    torch.Generator: (lambda item: item.get_state(), lambda item, state: item.set_state(state)),
}


def _refill(held: dict[Any, Any], keys: list[Any], values: list[Any]) -> None:
    """Make a dict what it was, in the same order."""
    if len(held) == len(keys) and all(map(is_, held, keys)) and all(map(is_, held.values(), values)):
        return
    plain = OrderedDict if isinstance(held, OrderedDict) else dict  # whatever a subclass makes of these
    plain.clear(held)
    for key, value in zip(keys, values, strict=True):
        plain.__setitem__(held, key, value)


@lru_cache(4096)
def _is_sealed(kind: Any) -> bool:
    """Whether objects are iterators of which only the next item can be had."""
    # As issubclass of Iterator, which asks all classes that are known for iterators, once a class.
    if not (hasattr(kind, "__next__") and hasattr(kind, "__iter__")) or issubclass(kind, io.IOBase):
        return False
    return not kind.__dictoffset__ or kind.__module__.startswith("torch.utils.data")


@lru_cache(4096)
def _is_surrounding(kind: Any) -> bool:
    """Whether objects are no part of a model, judged by the libraries that their class and its bases come from."""
    names = {base.__module__.partition(".")[0] for base in kind.__mro__}
    return issubclass(kind, (enum.Enum, *_LOCKS)) or not names.isdisjoint(_SURROUNDINGS)


def _slots(kind: type) -> tuple[str, ...]:
    found = kind.__dict__.get("__slots__", ())
    names = (found,) if isinstance(found, str) else tuple(found)
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))


def _name(path: _Path) -> str:
    """What leads to an item: ``Model.noise``."""
    parent, key = path
    return str(key) if parent is None else f"{_name(parent)}.{key}"
