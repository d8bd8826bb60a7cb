"""``lossy-lightning confound``."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from lossy_lightning.confound._text import remedies
from lossy_lightning.confound.files import labelled_files
from lossy_lightning.confound.remedy import write_even_copy
from lossy_lightning.confound.result import confound
from lossy_lightning.core.files import write_atomically

DESCRIPTION = (
    "Ask whether the headers of a data set's files give their classes away: FOLDER/<class>/..., "
    "FOLDER/{train,val,test}/<class>/..., or a CSV file with the columns file, class and, if you like, group."
)
_TOLD = ""


def confound_command(arguments: Sequence[str]) -> None:
    """Measure, print what was found, and write what is asked for.

    Raises:
        SystemExit: 1 if ``--fail-above`` is exceeded, 2 if an argument is wrong; the message says what to do.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    for name in ("html", "json"):
        path = getattr(options, name)
        if path is not None and path.is_dir():
            parser.error(f"--{name} is {path}, a folder; give the name of a file")
    try:
        listed = labelled_files(options.source)
        if options.remedy not in (None, _TOLD) and not options.source.is_dir():
            parser.error("--remedy FOLDER copies a folder of classes; of a table, use write_even_copy in Python")
        found = confound(listed.files, listed.labels, listed.groups, options.seed, progress=not options.quiet)
        print(found.to_text())
        if options.html:
            write_atomically(options.html, found.to_html())
        if options.json:
            write_atomically(options.json, found.to_json() + "\n")
        if options.remedy is not None:
            print("\nWhat to do:\n" + "\n".join(f"- {text}" for text in remedies(found)))
        if options.remedy not in (None, _TOLD):
            left_out = write_even_copy(listed.files, options.source, options.remedy, progress=not options.quiet)
            print(f"The copy is in {options.remedy}; {left_out.total()} files were left out.")
            for reason, count in left_out.most_common():
                print(f"left out: {count} files: {reason}")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    if options.fail_above is not None and found.exceeds(options.fail_above):
        print(f"The lower end, {found.traces.interval[0]:.3f}, is above {options.fail_above:g}.", file=sys.stderr)
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("lossy-lightning confound", description=DESCRIPTION)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder of classes, or table of files")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page with pictures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument(
        "--fail-above",
        type=_area,
        metavar="AREA",
        help="end with status 1 if the traces' macro AUC is surely above it, such as 0.6: its interval's lower end",
    )
    parser.add_argument(
        "--remedy",
        nargs="?",
        const=_TOLD,
        metavar="FOLDER",
        help="tell what to do; with a folder, also write a copy of all JPEG files there, encoded alike",
    )
    parser.add_argument("--seed", type=int, default=0, help="of folds, shuffles and trees (default: %(default)s)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    return parser


def _area(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"an area is a number from 0 to 1; got {text!r}")
    return value
