"""Records of files, frames and granules, as compiled code fills them, and what can be wrong with a file."""

import numpy as np

from .._status import OK, STATUS_FIELDS

#: A granule and channel: its side information under the standard's names (ISO 11172-3, 2.4.1.7; ISO 13818-3, 2.4.1.7),
#: and its scale factors as `MP3Frames` lays them out. ``stuffing`` counts the bits behind the granule's last code up to
#: the end that ``part2_3_length`` gives. Fields that a granule does not have are 0; ``preflag`` of MPEG-2 is what
#: ``scalefac_compress`` says.
GRANULE = np.dtype(
    [
        ("part2_3_length", np.uint16),
        ("big_values", np.uint16),
        ("scalefac_compress", np.uint16),
        ("stuffing", np.uint16),
        ("global_gain", np.uint8),
        ("block_type", np.uint8),
        ("mixed", np.uint8),
        ("preflag", np.uint8),
        ("scalefac_scale", np.uint8),
        ("count1_table", np.uint8),
        ("region0_count", np.uint8),
        ("region1_count", np.uint8),
        ("table_select", np.uint8, 3),
        ("subblock_gain", np.uint8, 3),
        ("scale_factors", np.uint8, 39),
    ],
    align=True,
)

#: A frame: its header as a number of 32 bits, its length in bytes with the header, and its side information.
#: ``scfsi`` has a bit for each of four groups of bands, first group highest; ``ancillary`` counts the bits between the
#: frame's last granule and the main data of the next frame.
FRAME = np.dtype(
    [
        ("header", np.uint32),
        ("size", np.uint32),
        ("ancillary", np.uint32),
        ("main_data_begin", np.uint16),
        ("private_bits", np.uint8),
        ("scfsi", np.uint8, 2),
    ],
    align=True,
)

#: A file while it is read. ``begin`` is where its first frame begins, -1 if it has none, ``tags`` where the tags at its
#: end begin, ``lost`` whether something is left out before its first frame, ``frames`` how many there may be.
#: ``frame_at``, ``granule_at`` and ``spare_at`` are where the frames, granules and channels, and spare bytes of the
#: file begin among those of all. ``position`` is where to read on, ``stop`` where frames must end, ``first`` the header
#: that all others must be like; ``header`` and ``size`` are those of the frame at ``position``, ``number`` counts it
#: among all, ``taken`` those that are good. ``free_size`` is the length of free-format frames without padding. ``fed``
#: is the length of the main data read so far, ``usable`` where those begin that are not lost, ``used`` the bit behind
#: the last good frame's granules, ``whole`` whether no frame is lost since; ``spare`` counts bits that code nothing.
FILE = np.dtype(
    [
        (name, np.int64)
        for name in [
            *STATUS_FIELDS,
            "begin",
            "tags",
            "lost",
            "frames",
            "frame_at",
            "granule_at",
            "spare_at",
            "position",
            "stop",
            "first",
            "version",
            "rate",
            "channels",
            "free_size",
            "header",
            "size",
            "number",
            "taken",
            "left_out",
            "delay",
            "padding",
            "fed",
            "usable",
            "used",
            "whole",
            "spare",
        ]
    ]
)

(
    NO_FRAME,
    LAYER,
    TRUNCATED,
    JUNK,
    CHANGED_RATE,
    CHANGED_CHANNELS,
    FREE_FORMAT,
    TOO_SMALL,
    BAD_CRC,
    NO_RESERVOIR,
    OVERLAP,
    TOO_LONG,
    BAD_BLOCK_TYPE,
    BAD_BIG_VALUES,
    BAD_TABLE,
    BAD_CODES,
) = range(OK + 1, OK + 17)
