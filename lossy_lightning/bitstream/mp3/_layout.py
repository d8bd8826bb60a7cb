"""Records of a file's frames and granules, as compiled code fills them."""

import numpy as np

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
