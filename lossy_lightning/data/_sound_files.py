"""Sound files, opened so that their length is that of their data, whatever their header says."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from lossy_lightning.bitstream.kinds import kind_of
from lossy_lightning.data._flac_frames import count_samples, stated_total, with_total
from lossy_lightning.data._mp3_frames import find_frames, with_count
from lossy_lightning.data.bad_files import BadFile, BadFileError, Reason

#: What libsndfile notes of a WAV, AIFF or AU file that is shorter than its header says; it reads what there is.
_SHORTENED = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
#: The same of WAV files beyond 4 GiB, in samples, the other way round.
_SHORTENED_RF64 = re.compile(r"Calculated frame count (\d+) does not match value from 'ds64' chunk of (\d+)")
#: What it notes of Ogg files without their last page.
_NO_LAST_PAGE = re.compile(r"(?:lacks an|without an) end-of-stream", re.IGNORECASE)
_STREAMED = 0x7FFF0000  # from here on, lengths in headers stand for one that the writer did not know


class _Stream(soundfile.SoundFile):  # type: ignore[misc]
    """A file whose blocks are read one after another.

    Otherwise soundfile seeks behind each block to where it is already, and MP3 then goes on with zeros.
    """

    def seekable(self) -> bool:
        return False


class OpenSound(NamedTuple):
    """A file whose length is known.

    Attributes:
        file: Read from its beginning.
        total: Samples of a channel that its data hold.
        is_cut: What shows that it is cut off; empty if nothing does.
        seeks: Whether reading may begin anywhere.
    """

    file: _Stream
    total: int
    is_cut: str
    seeks: bool


@contextmanager
def open_sound(path: str | Path) -> Iterator[OpenSound]:
    """A sound file of any format that libsndfile reads, closed at the end.

    MP3 files are held whole, and FLAC files whose header is wrong.

    Raises:
        BadFileError: If it cannot be opened.
    """
    name = str(path)
    try:
        with open(path, "rb") as content:
            head = content.read(4)
            data = head + content.read() if _is_looked_through(head, name) else b""
    except OSError as error:
        raise BadFileError(BadFile.from_os(name, error)) from error
    if not head:
        raise BadFileError(BadFile(name, Reason.EMPTY, "it has no bytes"))
    try:
        opened = _open(name, data) or _open_any_mp3(name)
    except (soundfile.LibsndfileError, OSError) as error:
        message = f"it cannot be opened: {str(error).split(': ')[-1]}"
        raise BadFileError(BadFile(name, Reason.FORMAT, message)) from error
    with opened.file:
        yield opened


def read_blocks(sound: OpenSound, path: str, start: int, length: int, at_once: int) -> Iterator[NDArray[np.float32]]:
    """Samples ``(channels, samples)`` of a part of a file, block by block; it may end early.

    Args:
        sound: Not read from yet.
        path: Of the file, for messages.
        start: First sample.
        length: Number of samples.
        at_once: Samples of a block.

    Raises:
        BadFileError: If samples cannot be decoded or are not finite.
    """
    try:
        if start and sound.seeks:
            sound.file.seek(start)
            start = 0
        while start:
            start -= min(start, len(sound.file.read(min(start, at_once), dtype="float32")) or start)
        while length:
            block: NDArray[np.float32] = sound.file.read(min(length, at_once), dtype="float32", always_2d=True).T
            if not block.shape[1]:
                return
            if not np.isfinite(block).all():
                raise BadFileError(BadFile(path, Reason.BROKEN, "it has samples that are NaN or infinite"))
            length -= block.shape[1]
            yield block
    except (soundfile.LibsndfileError, RuntimeError) as error:
        message = f"it cannot be decoded: {str(error).split(': ')[-1]}"
        raise BadFileError(BadFile(path, Reason.BROKEN, message)) from error


def _is_looked_through(head: bytes, name: str) -> bool:
    return kind_of(head) in ("mp3", "flac") or os.path.splitext(name)[1].lower() == ".mp3"


def _open(name: str, data: bytes) -> OpenSound | None:
    if kind_of(data) == "flac":
        return _open_flac(name, data)
    if data:
        return _open_mp3(name, data)
    try:
        file = _Stream(name)
    except soundfile.LibsndfileError:
        return None
    notes = file.extra_info
    is_cut = "its last page is missing" if _NO_LAST_PAGE.search(notes) else ""
    for stated, there in _SHORTENED.findall(notes):
        if int(there) < int(stated) < _STREAMED:
            is_cut = f"{there} of {stated} bytes of samples are there"
    for there, stated in _SHORTENED_RF64.findall(notes):
        if int(there) < int(stated):
            is_cut = f"{there} of {stated} samples are there"
    return OpenSound(file, int(file.frames), is_cut, bool(super(_Stream, file).seekable()))


def _open_flac(name: str, data: bytes) -> OpenSound:
    there, is_whole = count_samples(data)
    right = stated_total(data) == there
    file = _Stream(name if right else BytesIO(with_total(data, there)))
    return OpenSound(file, there, "" if is_whole else "its last frame is not whole", True)


def _open_any_mp3(name: str) -> OpenSound:
    """A file that libsndfile does not know; MP3 files may begin with anything."""
    data = Path(name).read_bytes()
    return OpenSound(_Stream(name), 0, "", False) if find_frames(data) is None else _open_mp3(name, data)


def _open_mp3(name: str, data: bytes) -> OpenSound:
    frames = find_frames(data)
    if frames is None:
        file = _Stream(name)
        return OpenSound(file, int(file.frames), "", file.format != "MP3")
    is_cut = f"it ends after {frames.number} frames" if frames.is_cut else ""
    if frames.number == 1 and frames.stated == 0:
        raise BadFileError(BadFile(name, Reason.EMPTY, "it has no samples"))
    if frames.stated is not None:
        is_cut = f"{frames.number - 1} of {frames.stated} frames are there" if frames.is_cut else ""
        if frames.stated == frames.number - 1:
            file = _Stream(name)
            return OpenSound(file, int(file.frames), is_cut, False)
    file = _Stream(BytesIO(with_count(data, frames)))
    # A decoder needs earlier frames: after a seek, its first ones are zeros.
    return OpenSound(file, int(file.frames), is_cut, False)
