"""What an MP3 file holds once its entropy coding is undone."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._bands import NUM_PLACES, intensity_bits


class MP3Frames(NamedTuple):
    """Frames of an MP3 file (MPEG-1, 2 or 2.5, Layer III) as quantized MDCT coefficients.

    A frame has two granules in MPEG-1 and one in MPEG-2 and 2.5, each of 576 levels a channel. All granules stand one
    after another, frame after frame. A granule with ``block_type`` 2 is three short transforms; its levels stand as in
    the file: scale factor band after band, in a band window after window.

    Scale factors of all kinds of blocks have places of their own, 39 together: a long block has band ``b`` in place
    ``b`` (0 to 20); a short one band ``b`` of window ``w`` in place ``3 * b + w`` (0 to 35); a mixed one both, long
    bands 0 to 7 (MPEG-1) or 0 to 5 (MPEG-2) and short ones from band 3 on. The bands above, long 21 and short 12
    (places 21 and 36 to 38), have no scale factor. Places that a block does not use are 0.

    Attributes:
        sample_rate: In Hz. 32, 44.1 and 48 kHz are MPEG-1, half of these MPEG-2, a quarter MPEG-2.5.
        levels: int16 ``(granules, channels, 576)``, quantized, with sign, -8206 to 8206.
        granules: Records ``(granules, channels)`` of side information and scale factors: ``granules["global_gain"]`` is
            uint8 ``(granules, channels)``. What dequantization needs: ``global_gain``, ``block_type`` (0 long, 1 start,
            2 short, 3 stop), ``mixed``, ``subblock_gain`` (3, a window), ``scale_factors`` (39), ``scalefac_scale`` and
            ``preflag``. How the levels are coded: ``part2_3_length``, ``big_values``, ``table_select`` (3, a region),
            ``region0_count``, ``region1_count``, ``count1_table``, ``scalefac_compress`` and ``stuffing`` (bits).
        frames: Records ``(frames,)``: ``header`` (its 32 bits), ``size`` (bytes with the header), ``main_data_begin``,
            ``private_bits``, ``scfsi`` (a channel; four bits, first group highest) and ``ancillary`` (bits).
        spare: Bits of the file that code no level: the stuffing of each granule, and behind a frame's granules its
            ancillary bits, first bit highest.
        delay: Samples that the encoder put before the signal, as the file's LAME tag says; None if there is no tag.
        padding: Samples that the encoder put behind the signal, from the same tag. Such tags may be wrong.
        left_out: Bad frames of the file that are not here, in lenient mode.
    """

    sample_rate: int
    levels: NDArray[np.int16]
    granules: NDArray[np.void]
    frames: NDArray[np.void]
    spare: bytes = b""
    delay: int | None = None
    padding: int | None = None
    left_out: int = 0

    def __repr__(self) -> str:
        granules, channels, _ = self.levels.shape
        return (
            f"MP3Frames(sample_rate={self.sample_rate}, frames={len(self.frames)}, {granules=}, {channels=}, "
            f"delay={self.delay}, padding={self.padding}, left_out={self.left_out})"
        )

    def tensors(self) -> dict[str, NDArray[np.int16] | NDArray[np.uint8] | NDArray[np.int8] | int]:
        """What the synthesis needs, as plain arrays, which ``torch.from_numpy`` takes.

        Returns:
            - ``levels``: int16 ``(granules, channels, 576)``
            - ``global_gain``, ``block_type``, ``mixed``, ``scalefac_scale``, ``preflag``: uint8
              ``(granules, channels)``
            - ``subblock_gain``: uint8 ``(granules, channels, 3)``
            - ``scale_factors``: uint8 ``(granules, channels, 39)``
            - ``mid_side``: uint8 ``(granules,)``, 1 if the channels are sum and difference
            - ``intensity``: int8 ``(granules, 39)``, for each place of scale factors the intensity position, which
              counts if the right channel is zero in the band and above; -1 if the band is not coded so (no intensity
              stereo, or the illegal position). Places 21 and 36 to 38, of bands without scale factors, repeat those of
              the band below.
            - ``intensity_scale``: uint8 ``(granules,)``, MPEG-2's choice of the ratio, 2 to the -1/4 (0) or -1/2 (1)
            - ``sample_rate``: int
        """
        names = ("global_gain", "block_type", "mixed", "scalefac_scale", "preflag", "subblock_gain", "scale_factors")
        # The joint stereo of each granule: bit 0 intensity, bit 1 sum and difference.
        per_frame = len(self.levels) // max(1, len(self.frames))
        header = self.frames["header"]
        joint = np.where((header >> 6) & 3 == 1, (header >> 4) & 3, 0).astype(np.uint8).repeat(per_frame)
        positions, scale = self._intensity(joint & 1 == 1)
        return {
            "levels": self.levels,
            **{name: self.granules[name] for name in names},
            "mid_side": joint >> 1,
            "intensity": positions,
            "intensity_scale": scale,
            "sample_rate": self.sample_rate,
        }

    def _intensity(self, used: NDArray[np.bool_]) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
        """Positions and scale of each granule (ISO 11172-3, 2.4.3.4.9.3; ISO 13818-3, 2.4.3.2)."""
        positions, scale = np.full((len(used), NUM_PLACES), -1, np.int8), np.zeros(len(used), np.uint8)
        if not used.any():
            return positions, scale
        right = self.granules[used, 1]
        found = right["scale_factors"].astype(np.int8)
        bits = np.full(found.shape, 3, np.int16)
        if self.sample_rate < 32_000:
            scale[used] = right["scalefac_compress"] & 1
            bits = intensity_bits(right)
        found[(bits > 0) & (found == (1 << bits) - 1)] = -1
        for target, source in ((21, 20), (36, 33), (37, 34), (38, 35)):
            short = (right["block_type"] == 2) == (target != 21)
            found[short, target] = found[short, source]
        positions[used] = found
        return positions, scale
