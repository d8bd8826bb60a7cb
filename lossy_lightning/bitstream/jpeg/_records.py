"""What is known of a file and its components while it is read, and what can be wrong with it."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

from typing import Any

import numpy as np

from .._status import OK, STATUS_FIELDS

_I8 = np.int64
# Statuses and markers are no literals: Numba would compile a kernel for each that stands in a call of it.
_NUMBER: Any = np.int64

#: What is known of a file. ``position`` is where to read on; the scan's fields are those of the last SOS.
FRAME = np.dtype(
    [
        (name, _I8)
        for name in [
            *STATUS_FIELDS,
            "position",
            "process",
            "precision",
            "width",
            "height",
            "num_components",
            "max_h",
            "max_v",
            "num_blocks",
            "jfif",
            "adobe",
            "restart_interval",
            "num_scans",
            "refined",
            "scan_size",
            "spectral_start",
            "spectral_end",
            "approximation_high",
            "approximation_low",
            "color",
            "table_set",
        ]
    ]
)

#: A component: its layout first, as the reader takes it (allocated rows and columns of blocks, and where its
#: coefficients start); ``sample_rows`` and ``sample_columns`` are of those blocks that hold samples.
COMPONENT = np.dtype(
    [
        (name, _I8)
        for name in [
            "h",
            "v",
            "rows",
            "columns",
            "start",
            "identifier",
            "quantization",
            "sample_rows",
            "sample_columns",
            "scanned",
            "dc_table",
            "ac_table",
            "scan_order",
            "begun",
            "again",
        ]
    ]
)

(
    NOT_JPEG,
    TRUNCATED,
    BAD_LENGTH,
    UNSUPPORTED,
    UNKNOWN_MARKER,
    BAD_PRECISION,
    BAD_SIZE,
    TOO_LARGE,
    BAD_COMPONENTS,
    BAD_SAMPLING,
    BAD_ORDER,
    BAD_TABLE,
    BAD_HUFFMAN,
    MISSING_QUANTIZATION,
    BAD_SCAN,
    TOO_MANY_BLOCKS,
    BAD_CODE,
    BAD_RUN,
    EARLY_MARKER,
    BAD_RESTART,
    NO_SCAN,
    REFINED_TOO_OFTEN,
    SCANNED_TWICE,
    BAD_WINDOW,
    MISSING_DC,
    MISSING_AC,
    TOO_SHORT,
) = map(_NUMBER, range(OK + 1, OK + 28))

SOF0, SOF1, SOF2, DHT, SOI, EOI, SOS, DQT, DNL, DRI = map(
    _NUMBER, (0xC0, 0xC1, 0xC2, 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD)
)
RST0, RST7 = map(_NUMBER, (0xD0, 0xD7))
