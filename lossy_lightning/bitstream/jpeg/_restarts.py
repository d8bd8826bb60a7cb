"""Restart markers, and how to go on without them (T.81 E.1.4)."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._status import fail
from ..compile import inlined, kernel
from ._frames import next_marker
from ._records import BAD_RESTART, RST0, RST7, SOF0, SOS, TRUNCATED

#: What is known of the next restart interval: its data begin here, perhaps come later, or do not come in this scan.
FOUND, LATER, NEVER = range(3)


@inlined
def next_interval(data, frame, expected, fill):
    """Move from the end of a restart interval behind the marker that RST number ``expected`` must be.

    Returns:
        Which of `FOUND`, `LATER` and `NEVER` it is. All but the first are errors of the file, unless it is filled.
    """
    if fill:
        frame.position, found = _resynchronize(data, frame.position, frame.end, expected)
        return found
    if frame.position == frame.end:
        fail(frame, TRUNCATED, frame.position, SOS, frame.num_scans)
    elif data[frame.position + 1] != RST0 + expected:
        fail(frame, BAD_RESTART, frame.position, np.int64(data[frame.position + 1]), expected)
    frame.position += 2
    return FOUND


@kernel
def _resynchronize(data, position, end, expected):
    """Where to read on if a marker other than the one expected may stand at ``position``, and what it means.

    One of the next two restart markers says that the expected one is lost, with its interval: that holds no data.
    One of the last two is a repeated one, and what follows it is skipped. Any other is taken for the one expected.

    Source:
        ``jpeg_resync_to_restart`` of libjpeg's ``jdmarker.c``.
    """
    while position < end:
        marker = np.int64(data[position + 1])
        ahead = (marker - RST0 - expected) & 7
        if marker >= SOF0:
            if marker < RST0 or marker > RST7:
                return position, NEVER
            if ahead == 1 or ahead == 2:
                return position, LATER
            if ahead < 6:
                return position + 2, FOUND
        behind, marker = next_marker(data, position + 2, end)
        position = behind - 2 if marker else end
    return end, NEVER
