"""What is wrong with a file: noted by compiled code, then put into words."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

from collections.abc import Mapping
from typing import Any

from .compile import kernel

OK = 0  # every other status is an error of its standard

#: Fields that each standard's record of a file has: where the file starts and ends in the joined bytes; what is wrong,
#: where, at which marker or part of the stream (0 if at none), and one more number that the words may name.
STATUS_FIELDS = ["start", "end", "error", "offset", "marker", "detail"]


@kernel
def fail(record, error, offset, marker, detail):
    """Note what is wrong with a file: ``error``, which is returned."""
    record.error = error
    record.offset = offset
    record.marker = marker
    record.detail = detail
    return error


def describe(record: Any, part: str, reasons: Mapping[int, str], limits: Mapping[str, int]) -> str:
    """Part of the file, byte offset and reason of an error.

    Args:
        record: Of the file, with the fields of ``STATUS_FIELDS``.
        part: Name of the marker, header or data that the error is found in.
        reasons: Words for each status; ``{detail}`` and the names of ``limits`` are replaced.
        limits: What the caller allows, by name.

    Example:
        >>> record = {"start": 4, "end": 9, "error": 1, "offset": 6, "marker": 0, "detail": 3}
        >>> describe(record, "header", {1: "{detail} channels are more than {most}"}, {"most": 2})
        'header at byte 2: 3 channels are more than 2'
    """
    reason = reasons[int(record["error"])].format(detail=int(record["detail"]), **limits)
    empty = record["start"] == record["end"]
    return f"{part} at byte {int(record['offset'] - record['start'])}: {'the file is empty' if empty else reason}"
