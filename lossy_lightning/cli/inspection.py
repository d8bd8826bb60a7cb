"""``lossy-lightning info`` and ``lossy-lightning show``."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lossy_lightning.cli._checks import without_pages
from lossy_lightning.cli._names import short_names
from lossy_lightning.cli._parser import Parser
from lossy_lightning.core import Codec, InputError
from lossy_lightning.core.files import write_atomically
from lossy_lightning.inspection import as_text, describe, draw, open_file, write_page


def info(arguments: Sequence[str]) -> None:
    """Print what the headers of files say, and what their codes are.

    Raises:
        InputError: If a file cannot be read, after all others were told.
    """
    parser = _parser("info", "Tell what files hold: what their headers say, and the fields and shape of their codes.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="JPEG, MP3, or any image or sound with --codec")
    parser.add_argument("--json", action="store_true", help="print one JSON list instead of text")
    options = _parse(parser, arguments)
    told, wrong = [], []
    for file in options.files:
        try:
            told.append(describe(file, options.codec))
        except (ValueError, OSError) as error:
            wrong.append(str(error))
    print(json.dumps(told, indent=1) if options.json else "\n\n".join(map(as_text, told)))
    if wrong:
        raise InputError("; ".join(wrong))


def show(arguments: Sequence[str]) -> None:
    """Draw a file's code beside the signal that it stands for.

    Raises:
        InputError: If the file cannot be read, or the picture has no name that ends in .png or .html.
    """
    parser = _parser("show", "Draw the code of a file beside the signal that it stands for.")
    parser.add_argument("file", metavar="FILE", help="JPEG, MP3, or any image or sound with --codec")
    parser.add_argument("--output", metavar="PICTURE", required=True, help="file to write, .png or .html")
    options = _parse(parser, arguments)
    output = Path(options.output)
    if output.suffix.lower() not in (".png", ".html"):
        raise InputError(f"--output is {output}; a picture is a file that ends in .png or .html")
    file = open_file(options.file, options.codec)
    if output.suffix.lower() == ".html":
        write_page(output, file, as_text(describe(options.file, options.codec)))
    else:
        write_atomically(output, draw(file))
    print(f"{output} shows {options.file}")


def _parser(name: str, description: str) -> Parser:
    parser = Parser(prog=f"lossy-lightning {name}", description=description, allow_abbrev=False)
    parser.add_argument(
        "--codec",
        type=Codec | None,
        default=None,
        help="encodes what the file decodes to, such as PCM; JPEG and MP3 files need none",
    )
    return parser


def _parse(parser: Parser, arguments: Sequence[str]) -> Any:
    with short_names():
        given = parser.parse_args(list(arguments))
        return without_pages(partial(parser.instantiate_classes, given))
