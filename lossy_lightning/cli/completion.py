"""``lossy-lightning completion``."""

import argparse
import contextlib
import io
import re
import warnings
from collections.abc import Iterable, Sequence

from lossy_lightning.cli._names import classes_of
from lossy_lightning.cli.commands import COMMANDS, NAMES, TRAINING

_SCRIPT = """\
# Completion of lossy-lightning for bash; zsh reads it after `autoload -U +X bashcompinit && bashcompinit`.
_lossy_lightning() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} words=
  if [ "$COMP_CWORD" = 1 ]; then
    words="{names}"
  else
    case $before in
{classes}
      *) case ${{COMP_WORDS[1]}} in
{options}
      esac ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _lossy_lightning lossy-lightning
"""
_ROOMS = {"codec": "codecs", "data": "data", "model": "tasks", "stem": "nn", "backbone": "nn"}
"""Last word of an option, and the room whose classes it takes."""


def completion(arguments: Sequence[str]) -> None:
    """Print what makes a shell complete commands, options and names of classes; anything else is a file."""
    parser = argparse.ArgumentParser(
        "lossy-lightning completion",
        description="Print what makes a shell complete commands, options and names of classes.",
    )
    parser.add_argument("shell", choices=["bash", "zsh"], help="that reads it; both read the same")
    parser.parse_args(list(arguments))
    classes = (f'--{end}|--*.{end}) words="{" ".join(classes_of(room))}" ;;' for end, room in _ROOMS.items())
    options = (f'{name}) words="{" ".join(_options(name))}" ;;' for name in NAMES)
    print(_SCRIPT.format(names=" ".join(NAMES), classes=_lines(classes, 6), options=_lines(options, 8)), end="")


def _lines(lines: Iterable[str], indent: int) -> str:
    return "\n".join(" " * indent + line for line in lines)


def _options(name: str) -> list[str]:
    """Long options of a command, as its help names them: parsers of Lightning's have no other list of all."""
    page = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(page), contextlib.suppress(SystemExit):
        warnings.simplefilter("ignore")  # Lightning's, of arguments beside those of this process
        if name in TRAINING:
            from lossy_lightning.cli.command import main  # that module knows the commands, this one among them

            main([name, "--help"])
        else:
            COMMANDS[name].load()(["--help"])
    return sorted(set(re.findall(r"^ +(?:-\w+(?: \w+)?, )?(--[a-z][\w.]*)", page.getvalue(), re.MULTILINE)))
