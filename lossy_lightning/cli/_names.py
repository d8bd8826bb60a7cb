"""Classes by their names alone, and the names nearest to one that is wrong."""

import importlib
import inspect
import sys
from abc import ABC
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from enum import Enum
from functools import cache
from textwrap import fill
from typing import Any

from jsonargparse import _typehints
from torch.utils.data import Dataset

from lossy_lightning.core import InputError

ROOMS = {
    "tasks": "tasks",
    "data": "data modules",
    "codecs": "codecs",
    "nn": "stems, networks and autoencoders",
    "augmentation": "augmentations and transforms",
    "callbacks": "callbacks",
}
"""Rooms whose classes stand in configurations, and what these are."""


_MAX_LISTED = 30  # all codecs, but not all modules

_MADE_OF_OTHERS = (Dataset, Enum, tuple)  # stand in a configuration only as arguments of others

NO_CLASS = "Expected a dot import path string: "
"""What the parser says of a name that it does not know."""


@cache
def known_classes() -> dict[str, type]:
    """Classes of the package that a configuration may name, by their short names."""
    found: dict[str, type] = {}
    for room in ROOMS:
        module = importlib.import_module(f"lossy_lightning.{room}")
        found |= {name: getattr(module, name) for name in module.__all__ if inspect.isclass(getattr(module, name))}
    return found


def short_name(path: str) -> str:
    """The name alone of a class of the package, else the path as it is."""
    name = path.rpartition(".")[2]
    return name if path.startswith("lossy_lightning.") and name in known_classes() else path


def listed_classes() -> str:
    """All `known_classes` that can be made, a paragraph for each room."""
    paragraphs = ["Classes of this package, to be given by these names alone (any other by its full path):"]
    for room, kind in ROOMS.items():
        paragraphs.append(
            fill(f"{kind}: {', '.join(classes_of(room))}", 100, initial_indent="  ", subsequent_indent="    ")
        )
    return "\n".join(paragraphs)


def classes_of(room: str) -> list[str]:
    """Names of the classes of a room that a configuration can make."""
    ours = {name: made for name, made in known_classes().items() if made.__module__.split(".")[1] == room}
    # Abstract classes name ABC as a base, or lack a method.
    left_out = {name for name, made in ours.items() if ABC in made.__bases__ or inspect.isabstract(made)}
    return [name for name, made in ours.items() if name not in left_out and not issubclass(made, _MADE_OF_OTHERS)]


def fitting(asked: Any) -> str:
    """``; give Factorized or Hyperprior``, the classes of the package that fit where one is asked for, or nothing."""
    known = known_classes()
    names = [name for room in ROOMS for name in classes_of(room) if issubclass(known[name], asked)]
    return f"; give {' or '.join(names)}" if 0 < len(names) <= _MAX_LISTED else ""


def show_classes(arguments: Sequence[str]) -> None:
    """Answer ``--data.help`` or ``--model.help`` without a class, where the parser shows an empty page.

    Raises:
        SystemExit: With success, after the answer.
    """
    for option, room in (("--data.help", "data"), ("--model.help", "tasks")):
        if arguments[-1:] == [option]:
            print(f"{option} takes a class, such as one of these: {', '.join(classes_of(room))}")
            sys.exit(0)


def nearest(name: str, names: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the name that comes nearest, or nothing.

    Example:
        >>> nearest("batchsize", ["batch_size", "root"])
        "; did you mean 'batch_size'?"
    """
    by_lower = {other.lower(): other for other in names}
    close = get_close_matches(name.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def _nearest_class(name: str, asked: Any) -> str:
    """As `nearest`, of the classes that are asked for: those of this package, else those that are imported."""
    fitting = [known for known, made in known_classes().items() if issubclass(made, asked)]
    others = [
        path.rpartition(".")[2]
        for kind in (asked if isinstance(asked, tuple) else (asked,))
        for path in _typehints.get_all_subclass_paths(kind)
    ]
    return nearest(name, fitting) or nearest(name, others)


def _place(ours: type, asked: Any) -> str:
    """Where a class of the package fits that does not fit here: in another that does, or in what its room holds."""
    wholes = [
        name
        for name, made in known_classes().items()
        if issubclass(made, asked) and any(issubclass(ours, part) for part in _parts(made))
    ]
    if wholes:
        return f"; it is a part of {' or '.join(wholes)}, so give that, with it as an argument"
    return f"; it is one of the {ROOMS[ours.__module__.split('.')[1]]}{fitting(asked)}"


def _parts(made: type) -> list[type]:
    """Classes of ours that the arguments of a class are of."""
    annotations = [each.annotation for each in inspect.signature(made).parameters.values()]
    return [each for each in annotations if isinstance(each, type) and each.__module__.startswith("lossy_lightning.")]


@contextmanager
def short_names() -> Iterator[None]:
    """Let a configuration name classes of the package without their path, wherever such a class fits.

    The parser finds subclasses of what is asked for by name, too, but stops at names that two libraries have, such as
    MLP.
    """
    original = _typehints.resolve_class_path_by_name

    def resolve(asked: Any, name: str) -> str:
        first, _, method = name.partition(".")
        ours = known_classes().get(first)
        if ours is not None and (method or issubclass(ours, asked)):
            return f"{'.'.join(ours.__module__.split('.')[:2])}.{name}"
        path: str = original(asked, name)
        if "." not in path and ours is not None:
            raise InputError(f"{NO_CLASS}{name}{_place(ours, asked)}")
        if "." not in path:
            raise InputError(f"{NO_CLASS}{name}{_nearest_class(name, asked)}")  # as the parser itself, which reads on
        return path

    _typehints.resolve_class_path_by_name = resolve  # type: ignore[assignment]  # it has no hook for this
    try:
        yield
    finally:
        _typehints.resolve_class_path_by_name = original
