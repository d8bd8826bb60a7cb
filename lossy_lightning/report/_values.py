"""What a parser makes of anybody's file, as values that JSON knows."""

from collections.abc import Iterator
from datetime import date, time
from itertools import count
from typing import Any

import yaml

from lossy_lightning.core import InputError

_MAX_DEPTH = 100
_MAX_VALUES = 100_000


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads dates as the text that they are (there is no 30th of February), and what has a tag as if it had none."""


def _untagged(loader: Any, _: str, node: Any) -> Any:
    match node:
        case yaml.MappingNode():
            return loader.construct_mapping(node, deep=True)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_str)
_Loader.add_multi_constructor("tag:yaml.org,2002:python/", _untagged)
_Loader.add_multi_constructor("!", _untagged)


def parse_yaml(text: str) -> Any:
    """The content of a YAML file; no file makes it run code.

    Raises:
        yaml.YAMLError: If it is no YAML.

    Example:
        >>> parse_yaml("{when: 2026-02-30, size: !!python/tuple [3, 4], 1: a}")
        {'when': '2026-02-30', 'size': [3, 4], 1: 'a'}
    """
    return yaml.load(text, Loader=_Loader)


def plain(content: Any) -> Any:
    """A parser's result with text for keys and nothing but what JSON knows; a value that holds itself becomes text.

    Raises:
        InputError: If it holds too many values, as a file of few bytes does if its parts name each other.

    Example:
        >>> plain({1: float("inf"), "1": (2, None)})
        {'1': 'inf', "'1'": [2, None]}
    """
    return _plain(content, (), count())


def _plain(value: Any, above: tuple[int, ...], counter: Iterator[int]) -> Any:
    if next(counter) >= _MAX_VALUES:
        raise InputError(f"it holds more than {_MAX_VALUES} values")
    if id(value) in above or len(above) > _MAX_DEPTH:
        return "…"
    inner = (*above, id(value))
    match value:
        case None | bool() | int():
            return value
        case str():
            return writable(value)
        case dict():
            named: dict[str, Any] = {}
            for key, item in value.items():
                named[_key(key, named)] = _plain(item, inner, counter)
            return named
        case list() | tuple() | set() | frozenset():
            return [_plain(item, inner, counter) for item in value]
        case float():
            return value if abs(value) < float("inf") else str(value)
        case date() | time():
            return value.isoformat()
    return str(value)


def _key(key: Any, taken: dict[str, Any]) -> str:
    text = writable(str(key))
    while text in taken:
        text = repr(key) if text != repr(key) else f"{text}'"
    return text


def writable(text: str) -> str:
    """A text without what UTF-8 cannot hold: half of a pair, or a byte of a file name that is no text."""
    return text.encode("utf-8", errors="replace").decode()
