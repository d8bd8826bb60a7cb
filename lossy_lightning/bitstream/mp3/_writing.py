"""Whole files from frames: choices, the bit reservoir, and bytes."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._status import OK
from ..compile import entry, kernel
from ._encode import choose, zero_quads
from ._headers import FRAME_BYTES
from ._packing import choose_compress, copy_bits, pack_granule, pack_side_info, put, scale_factor_bits
from ._scale_factors import GROUPS
from ._side_info import SIDE_BYTES, crc_of

#: What becomes of a granule or frame: zeros behind its levels, and where its spare bits begin.
PLAN = np.dtype([("zeros", np.int64), ("spare", np.int64)])

UNFIT_FACTORS, TOO_LONG, NO_ROOM = range(OK + 1, OK + 4)


@kernel
def _uses_intensity(frame, channel):
    header = np.int64(frame.header)
    return channel == 1 and (header >> 6) & 3 == 1 and (header >> 4) & 1 == 1


@kernel
def _drop_scfsi(frame, channel, first, second):
    """Scale factors are told again if they are not those of the granule before."""
    for group in range(0 if second.block_type == 2 else 4):
        for place in range(GROUPS[group], GROUPS[group + 1]):
            if first.scale_factors[place] != second.scale_factors[place]:
                frame.scfsi[channel] &= 15 ^ (8 >> group)


@entry
def plan(levels, granules, frames, spare, num_spare, version, rate, channels, plans, ancillary_at, tables, codes):
    """Keep each granule's coding if it still fits its levels, else choose anew.

    Returns:
        What is wrong, and in which granule and channel.
    """
    runs, at = np.zeros((8, 3), np.int64), np.int64(0)
    per_frame = 2 if version == 0 else 1
    for f in range(len(frames)):
        frame, first = frames[f], f * per_frame * channels
        for channel in range(channels):
            if version == 0:
                _drop_scfsi(frame, channel, granules[first + channel], granules[first + channels + channel])
        for g in range(first, first + per_frame * channels):
            granule, channel, later = granules[g], (g - first) % channels, g - first >= channels
            intensity, scfsi = _uses_intensity(frame, channel), np.int64(frame.scfsi[channel]) if later else np.int64(0)
            plans[g].spare, old_stuffing = at, np.int64(granule.stuffing)
            at += old_stuffing
            factors = scale_factor_bits(granule, version, intensity, scfsi, runs)
            bits = np.int64(granule.part2_3_length) - old_stuffing - factors
            zeros = np.int64(-1)
            if factors >= 0 and bits >= 0 and at <= num_spare:
                zeros = zero_quads(levels[g], granule, version, rate, bits, spare, plans[g].spare, tables[0], codes[0])
            plans[g].zeros = max(zeros, 0)
            if zeros < 0:
                if factors < 0:
                    factors = choose_compress(granule, version, intensity, scfsi, runs)
                    if factors < 0:
                        return UNFIT_FACTORS, g
                bits = factors + choose(levels[g], granule, version, rate, codes[0])
                if bits > 4095:
                    return TOO_LONG, g
                granule.part2_3_length, granule.stuffing = bits, 0
        ancillary_at[f] = at
        at += np.int64(frame.ancillary)
    return OK, 0


@entry
def lay_out(granules, frames, version, rate, channels, larger, starts):
    """Place the main data of each frame, in bits of all main data, where they were, or as early as they can be.

    If a frame is too small even so, those before it move to the earliest places that they can have, or it gets larger.

    Returns:
        What is wrong, in which frame, bits that it needs, and bits that are there.
    """
    per_frame, most = (2 if version == 0 else 1) * channels, np.int64(511 if version == 0 else 255)
    body_start, cursor, earliest = np.int64(0), np.int64(0), np.int64(0)
    bodies, early = np.empty(len(frames), np.int64), np.empty(len(frames), np.int64)
    for f in range(len(frames)):
        frame, needed = frames[f], np.int64(0)
        for g in range(f * per_frame, (f + 1) * per_frame):
            needed += np.int64(granules[g].part2_3_length)
        overhead = 4 + SIDE_BYTES[version, channels] + (0 if frame.header & 0x10000 else 2)
        bodies[f], early[f] = body_start, 8 * max((earliest + 7) // 8, body_start - most)
        start = 8 * (body_start - min(np.int64(frame.main_data_begin), most))
        end = 8 * (body_start + np.int64(frame.size) - overhead)
        if start < cursor or start + needed > end:
            start = 8 * max((cursor + 7) // 8, body_start - most)
        if start + needed > end and early[f] < start:
            start, before = early[f], f - 1
            while before >= 0 and starts[before] > early[before]:
                starts[before] = early[before]
                before -= 1
        while start + needed > end:
            there, index = end - start, (np.int64(frame.header) >> 12) & 15
            if not larger or index == 0 or index == 14:
                return NO_ROOM, f, needed, there
            frame.header = np.int64(frame.header) + (1 << 12)
            frame.size = FRAME_BYTES[version, rate, index + 1] + ((np.int64(frame.header) >> 9) & 1)
            end = 8 * (body_start + np.int64(frame.size) - overhead)
        starts[f] = start
        cursor, earliest, body_start = start + needed, early[f] + needed, end // 8
    starts[len(frames)] = 8 * body_start
    for f in range(len(frames)):
        frames[f].main_data_begin = bodies[f] - starts[f] // 8
    return OK, 0, 0, 0


@entry
def pack(
    levels, granules, frames, spare, num_spare, version, rate, channels, plans, ancillary_at, starts, codes, main, out
):
    """Write main data into ``main``, which holds zeros, and then all frames into ``out``."""
    runs, per_frame = np.zeros((8, 3), np.int64), 2 if version == 0 else 1
    for f in range(len(frames)):
        frame, first, at = frames[f], f * per_frame * channels, starts[f]
        for g in range(first, first + per_frame * channels):
            granule, channel = granules[g], (g - first) % channels
            scfsi = np.int64(frame.scfsi[channel]) if g - first >= channels else np.int64(0)
            intensity = _uses_intensity(frame, channel)
            end = at + np.int64(granule.part2_3_length)
            at = pack_granule(
                main, at, levels[g], granule, version, rate, intensity, scfsi, plans[g].zeros, runs, codes[0]
            )
            copy_bits(spare, plans[g].spare, main, at, end - at)
            at = end
        room = starts[f + 1] - at
        if room == np.int64(frame.ancillary) and ancillary_at[f] + room <= num_spare:
            copy_bits(spare, ancillary_at[f], main, at, room)
    place, taken = np.int64(0), np.int64(0)
    for f in range(len(frames)):
        frame, side = frames[f], place + (4 if frames[f].header & 0x10000 else 6)
        put(out, 8 * place, frame.header, 32)
        pack_side_info(out, 8 * side, version, channels, frame, granules, f * per_frame * channels)
        if side - place == 6:
            put(out, 8 * place + 32, crc_of(out, place, SIDE_BYTES[version, channels]), 16)
        body = side + SIDE_BYTES[version, channels]
        stop = place + np.int64(frame.size)
        out[body:stop] = main[taken : taken + stop - body]
        place, taken = stop, taken + stop - body
