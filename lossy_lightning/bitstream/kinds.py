"""What a file is, told by its first bytes and not by its name."""

LEARNED = b"LLNC"
"""First bytes of files of learned codecs."""
_MAGIC = (
    (b"\xff\xd8", 0, "jpeg"),
    (b"\x89PNG\r\n\x1a\n", 0, "png"),
    (b"WAVE", 8, "wav"),
    (b"fLaC", 0, "flac"),
    (b"OggS", 0, "ogg"),
    (b"ID3", 0, "mp3"),
    (b"FORM", 0, "aiff"),
    (b".snd", 0, "au"),
    (LEARNED, 0, "learned"),
)


def kind_of(data: bytes) -> str:
    """The kind of a file.

    Args:
        data: Of the file; its first twelve bytes do.

    Returns:
        ``"jpeg"``, ``"png"``, ``"mp3"``, ``"wav"``, ``"flac"``, ``"ogg"``, ``"aiff"``, ``"au"``, ``"learned"`` (of a
        learned codec), or empty if it is none of these. A WAV file may be RIFF or RF64; an Ogg file holds Vorbis or
        Opus.

    Source:
        The signatures of each format; ISO/IEC 11172-3, 2.4.1.3 for MP3's sync word, which a tag of ID3 may precede.

    Example:
        >>> kind_of(b"ID3"), kind_of(bytes([255, 251])), kind_of(b"GIF89a")
        ('mp3', 'mp3', '')
    """
    for magic, at, kind in _MAGIC:
        if data[at : at + len(magic)] == magic:
            return kind
    is_frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0
    return "mp3" if is_frame else ""
