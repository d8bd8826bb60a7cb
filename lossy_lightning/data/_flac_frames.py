"""The last frame of FLAC files, which tells their length and whether they are whole."""

from functools import cache

_TAG = b"TAG"  # ID3v1, 128 bytes at the end of some files
_SIZES = (0, 192, 576, 1152, 2304, 4608, 0, 0, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)  # samples of a block


def count_samples(data: bytes) -> tuple[int, bool]:
    """Samples of a channel in a FLAC file, by the number in its last frame.

    Args:
        data: The whole file.

    Returns:
        Their number, and whether the last frame is whole; else it does not count.

    Source: RFC 9639, 9.1.
    """
    end = len(data) - 128 if data[-128:-125] == _TAG else len(data)
    fixed = int.from_bytes(data[8:10], "big")  # samples of a block, if all have as many
    i = end
    while (i := data.rfind(b"\xff", 42, i)) >= 0:
        found = _header(data, i, fixed)
        if found is not None:
            start, stop = found
            is_whole = _crc(16, data[i : end - 2]) == int.from_bytes(data[end - 2 : end], "big")
            return (stop, True) if is_whole else (start, False)
    return 0, False


def with_total(data: bytes, total: int) -> bytes:
    """The file with another number of samples in its header."""
    fields = int.from_bytes(data[18:26], "big") >> 36 << 36 | total
    return data[:18] + fields.to_bytes(8, "big") + data[26:]


def stated_total(data: bytes) -> int:
    """The number of samples in the header; 0 if the writer did not know it."""
    return int.from_bytes(data[18:26], "big") & (1 << 36) - 1


def _header(data: bytes, i: int, fixed: int) -> tuple[int, int] | None:
    """Number of samples before and up to the end of the frame that begins at a place; None if none does."""
    head = data[i : i + 16]
    if len(head) < 6 or head[1] & 0xFE != 0xF8 or head[3] & 1 or head[2] >> 4 == 0 or head[2] & 15 == 15:
        return None
    number, length = _coded_number(head[4:])
    if not length:
        return None
    end = 4 + length
    size = _SIZES[head[2] >> 4]
    if head[2] >> 4 in (6, 7):
        extra = (head[2] >> 4) - 5
        size, end = int.from_bytes(head[end : end + extra], "big") + 1, end + extra
    end += {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if end >= len(head) or _crc(8, head[:end]) != head[end]:
        return None
    start = number if head[1] & 1 else number * fixed
    return start, start + size


def _coded_number(data: bytes) -> tuple[int, int]:
    """A number coded as in UTF-8, extended to 36 bits, and its length in bytes; 0 if it is none."""
    first = data[0]
    if first < 0x80:
        return first, 1
    length = 8 - (first ^ 0xFF).bit_length()
    if not 2 <= length <= 7 or any(byte >> 6 != 2 for byte in data[1:length]) or len(data) < length:
        return 0, 0
    number = first & (1 << max(0, 7 - length)) - 1
    for byte in data[1:length]:
        number = number << 6 | byte & 0x3F
    return number, length


@cache
def _table(width: int) -> list[int]:
    """Remainders of all bytes: of x^8+x^2+x+1, or x^16+x^15+x^2+1."""
    polynomial, top, mask = {8: 0x07, 16: 0x8005}[width], 1 << (width - 1), (1 << width) - 1
    table = []
    for byte in range(256):
        value = byte << (width - 8)
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value & top else 0)) & mask
        table.append(value)
    return table


def _crc(width: int, data: bytes) -> int:
    table, shift, mask, value = _table(width), width - 8, (1 << width) - 1, 0
    for byte in data:
        value = value << 8 & mask ^ table[value >> shift ^ byte]
    return value
