"""What a parser says of one value, in the words of somebody who wrote it."""

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from lossy_lightning import core
from lossy_lightning.cli._names import NO_CLASS, fitting, known_classes, nearest
from lossy_lightning.cli.commands import NAMES

_MAX_LISTED = 12


def reason(key: str, text: str, page: str, options: Sequence[str]) -> str:
    """What is wrong with a value.

    Args:
        key: Of the value in the configuration, such as "data.batch_size"; empty for all of it.
        text: What the parser says of it.
        page: What it says of all types that the value may have, if there are several.
        options: That there are beside the key.
    """
    where = key or "this command"
    for pattern, told in _REASONS:
        if match := re.search(pattern, text, re.DOTALL):
            return told(where, match, page, options)
    return f"{where}: {' '.join(text.split())}" if key else " ".join(text.split())


def _option(where: str, match: re.Match[str], page: str, options: Sequence[str]) -> str:
    name = match[1].split("=")[0]
    near = nearest(name, options)
    listed = f"; it has {', '.join(options)}" if not near and len(options) <= _MAX_LISTED else near
    return f"{where} has no option {name!r}{listed}"


def _subcommand(where: str, match: re.Match[str], page: str, options: Sequence[str]) -> str:
    near = nearest(match[1], NAMES) or f"; there are {', '.join(NAMES)}"
    return f"{match[1]!r} is no subcommand{near}"


def _required(where: str, match: re.Match[str], page: str, options: Sequence[str]) -> str:
    names = match[1].removeprefix("fit.")
    return f"{where} needs {names}, which nothing sets"


def _file(where: str, match: re.Match[str], page: str, options: Sequence[str]) -> str:
    return f"{where} is {match[1]}, but there is no such file"


def _yaml(where: str, match: re.Match[str], page: str, options: Sequence[str]) -> str:
    words = match[0].split('  in "')
    problem = " ".join(words[-2].split("\n")[-2:]).strip()
    place = re.search(r"line (\d+), column (\d+)", words[-1])
    tabs = " (indent by spaces, not by tabs)" if "cannot start any token" in problem else ""
    return f"a configuration is no YAML: {problem}{tabs}, in {place[0] if place else 'it'}"


def _attribute(where: str, match: re.Match[str], page: str, options: Sequence[str]) -> str:
    module, name = match[1], match[2]
    known = sys.modules.get(module)
    near = nearest(name, getattr(known, "__all__", dir(known)))
    return f"{where} is {module}.{name}, but {module} has no {name}{near}"


def _module(where: str, match: re.Match[str], page: str, options: Sequence[str]) -> str:
    name = match[1]
    near = nearest(name, [other for other in sys.modules if other.count(".") == name.count(".")])
    return f"{where}: there is no module {name!r}{near or '; is its package installed, and is its folder on the path?'}"


def _name(where: str, match: re.Match[str], page: str, options: Sequence[str]) -> str:
    told = match[2] or "; give a name that this package has, or the full path of a class, package.module.Class"
    return f"{where} is {match[1]!r}, which names no class that fits{told}"


def _abstract(where: str, match: re.Match[str], page: str, options: Sequence[str]) -> str:
    name = match[1].rpartition(".")[2]
    made: Any = known_classes().get(name) or getattr(core, name, ())
    return f"{where} is {name}, which is abstract{fitting(made)}"


def _value(where: str, match: re.Match[str], page: str, options: Sequence[str]) -> str:
    value = match["value"]
    types = re.search(r"Subtypes: \[(.*?)\]\nErrors", page, re.DOTALL)
    return f"{where} is {value!r}; it takes {_plain(types[1] if types else match['type'])}"


def _plain(types: str) -> str:
    """Types as their own names: ``<class 'int'>, typing.Literal['a']`` to ``int, 'a'``, and sequences as lists."""
    types = re.sub(r"<class '(?:[\w.]*\.)?(\w+)'>", r"\1", types)
    types = re.sub(r"typing\.Literal\[([^\]]*)\]", r"\1", types)
    types = re.sub(r"\b(?:[a-z_]\w*\.)+(\w+)", r"\1", types)
    return types.replace("NoneType", "null").replace("Sequence[", "list[")


def _function(where: str, match: re.Match[str], page: str, options: Sequence[str]) -> str:
    name = match[1].rpartition(".")[2]
    return (
        f"{where} is {match[1]}, a function that does not say what it returns; "
        f"annotate it, def {name}(...) -> torch.nn.Module"
    )


def _callable(where: str, match: re.Match[str], page: str, options: Sequence[str]) -> str:
    return f"{where} is {match[1]}; it takes a class or a function, by name, or its class_path and init_args"


def _member(where: str, match: re.Match[str], page: str, options: Sequence[str]) -> str:
    names = [name.strip() for name in match[1].split(",")]
    return f"{where} is {match[2]!r}; it takes {', '.join(names)}{nearest(match[2], names)}"


_REASONS: list[tuple[str, Callable[[str, re.Match[str], str, Sequence[str]], str]]] = [
    (r"invalid choice: '([^']+)'", _subcommand),
    (r'expected "subcommand" to be one of', lambda *_: f"a subcommand is missing: {', '.join(NAMES)}"),
    (r"arguments are required: (.+)", _required),
    (r"File does not exist: '([^']+)'", _file),
    (r".*  in \"<.+?>\", line \d+, column \d+", _yaml),
    (r"[Oo]ption '([^']+)' is not accepted", _option),
    (r"does not accept option '([^']+)'", _option),
    (r"unrecognized arguments: (?:--)?(\S+)", _option),
    (r"module '([^']+)' has no attribute '([^']+)'", _attribute),
    (r"No module named '([^']+)'", _module),
    (NO_CLASS + r"(.+?)(; .*)?$", _name),
    (r"Expected a member of <enum '\w+'>: \{(.+?)\}\. Got value: (.+)", _member),
    (r"Not a valid subclass of \w+\. Got value: (.+?)\n", _callable),
    (r"Expected '([^']+)' to be a function that returns", _function),
    (r"Expected an instantiatable class, but (\S+) is abstract", _abstract),
    (r"Expected an import path or a subclass spec, but got (.+)", _callable),
    (r"Expected a (?P<type>.+?)\. Got value: (?P<value>.*)", _value),
]
"""Pattern of what the parser says, and what is said of it instead."""
