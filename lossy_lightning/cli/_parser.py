"""A parser that tells a mistake in one sentence."""

import re
from argparse import ArgumentError, HelpFormatter
from collections.abc import Callable, Collection, Iterator
from typing import Any, NoReturn

from lightning.pytorch.cli import LightningArgumentParser
from yaml import MarkedYAMLError

from lossy_lightning.cli._names import listed_classes, short_name
from lossy_lightning.cli._reasons import reason
from lossy_lightning.cli.commands import NAMES, overview
from lossy_lightning.core import InputError


class Parser(LightningArgumentParser):
    """Lightning's parser, whose errors are one sentence, with the nearest right name and where help is."""

    def add_subcommands(self, required: bool = True, dest: str = "subcommand", **kwargs: Any) -> Any:
        """Name those beside them, which are no subcommands of Lightning's."""
        kwargs |= {"metavar": "COMMAND"}
        return super().add_subcommands(required, dest, **kwargs)

    def add_function_arguments(
        self, function: Callable[..., Any], *args: Any, linked_targets: Collection[str] = (), **kwargs: Any
    ) -> list[str]:
        """As the parser's own, which refuses the links that it hands on if a function takes a class's place."""
        added: list[str] = super().add_function_arguments(function, *args, **kwargs)
        return added

    def format_help(self, formatter: HelpFormatter | None = None) -> str:
        """The options, and what a reader needs beside them: the commands, or the classes that there are to make."""
        help_page: str = super().format_help(formatter)
        if self._subcommands_action is not None:
            return f"{help_page}\n{overview()}\n"
        return help_page if "model" not in self._options() else f"{help_page}\n{listed_classes()}\n"

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Tell what is wrong.

        Args:
            message: What the parser says.
            ex: The error behind it.

        Raises:
            ArgumentError: By the parser of a class within a configuration, for another type may fit.
            InputError: By the parser of the command line.
        """
        asked: Parser = getattr(ex, "subcommand_parser", self)
        error = ArgumentError(None, message)
        error.__cause__ = ex
        error.options = asked._options()  # type: ignore[attr-defined]
        error.types = {each.dest: getattr(each, "_typehint", None) for each in asked._actions}  # type: ignore[attr-defined]
        if not self.exit_on_error:
            raise error
        raise InputError(explain(error, asked._program())) from error

    def _options(self) -> list[str]:
        named = [action.dest for action in self._actions if action.option_strings]
        return [name for name in named if not name.endswith("help") and not name.startswith(("config", "print_"))]

    def _program(self) -> str:
        subcommand = [] if self._subcommands_action is None else [arg for arg in self.args[:1] if arg in NAMES]
        return " ".join([str(self.prog).replace(" [options]", ""), *subcommand])


def explain(error: BaseException, program: str) -> str:
    """The sentence that tells an error of the parser.

    Args:
        error: The error; the last of its causes is what is wrong with one value.
        program: The command and subcommand whose help is meant.
    """
    options: list[str] = []
    types: dict[str, Any] = {}
    keys: list[str] = []
    helps: list[str] = []
    page = text = made = ""
    for each in _causes(error):
        options, types = getattr(each, "options", options), getattr(each, "types", types)
        if isinstance(each, ArgumentError):
            if made:  # an argument of this class is wrong, not the class
                helps.append(f"--{'.'.join(keys)}{{}} {short_name(made)}")
            made = ""
            text = str(each)
            continue
        if type(each) is KeyError:
            break  # the bare name that is in no enumeration; the text before it tells more
        text, page = str(each), text
        if key := re.match(r'Parser key "([^"]+)"', text):
            keys.append(key[1])
        elif name := re.match(r"Problem with given class_path '([^']+)'", text):
            made = name[1]
        elif isinstance(each, MarkedYAMLError):
            break
    held = types.get(keys[-1]) if keys else None
    found = re.match(
        r"Expected a <class '(?:[\w.]+\.)?(?:Sequence|list|tuple|dict)'>(\. Got value: .*)", text, re.DOTALL
    )
    if held and found:  # the parser leaves out of what
        text = f"Expected a {held}{found[1]}"
    help_options = [option.format("") for option in helps[:-1]] + [helps[-1].format(".help") if helps else "--help"]
    return f"{reason('.'.join(keys), text, page, options)} (help: {program} {' '.join(help_options)})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
