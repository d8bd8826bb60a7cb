"""Sound files: read, checked, resampled, cropped."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.core import InputError, RandomKey
from lossy_lightning.data._file_source import FileSource
from lossy_lightning.data._listing import ListedFiles
from lossy_lightning.data._resampling import MAX_RATIO, block_length, ratio, resample
from lossy_lightning.data._sound_files import OpenSound, open_sound, read_blocks
from lossy_lightning.data.bad_files import BadFile, BadFileError, BadFileLog, Mended, Reason, mended

#: Endings of the files that count as sounds.
SOUND_EXTENSIONS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")


class SoundFormat(NamedTuple):
    """What all sounds of a data set are brought to.

    Attributes:
        sample_rate: Rate in Hz; files of another rate are resampled.
        num_samples: Length to which sounds are cropped or, with zeros at the end, padded; None for whole sounds.
        channels: Number of channels that files must have; None averages those that they have to one.
        max_seconds: That a whole sound may last.
        lenient: Whether files that are cut off are read as far as they go.
    """

    sample_rate: int
    num_samples: int | None = None
    channels: int | None = None
    max_seconds: float = 3600.0
    lenient: bool = False


def read_sound(path: str | Path, form: SoundFormat, place: float = 0.5) -> Tensor:
    """Samples of a sound file, of any format that libsndfile reads; of a crop, only that part is kept.

    Formats that cannot be read from the middle, such as MP3, whose frames need earlier ones, are decoded up to there.
    How long a sound is follows from its data: headers may state another length, or none.

    Samples are read as float32, of which 1 is the greatest 16-bit sample, checked, resampled if the file's rate is
    another, rounded, and clipped: lossy formats overshoot.

    Args:
        path: Of the file.
        form: What the sound is brought to.
        place: Of a crop, from 0, the start, to 1, the end.

    Returns:
        ``(channels, samples)`` int16.

    Raises:
        ValueError: If the file cannot be decoded, is empty, cut off or too long, has samples that are not finite, or
            its channels are not those of the form; the message names the path.
    """
    sound = load_sound(str(path), form, place)
    if isinstance(sound, BadFile):
        raise InputError(f"{path} cannot be read: {sound.message}")
    return sound


def load_sound(path: str, form: SoundFormat, place: float) -> Tensor | BadFile:
    """As `read_sound`, but what is wrong with a bad file is returned."""
    try:
        with open_sound(path) as sound:
            wrong = _what_is_wrong(path, sound, form)
            return wrong or _samples(path, sound, form, place)
    except BadFileError as error:
        return error.bad


def look_at_sound(path: str, form: SoundFormat) -> BadFile | None:
    """What a sound file tells against it without being decoded; None if nothing."""
    try:
        with open_sound(path) as sound:
            return _what_is_wrong(path, sound, form)
    except BadFileError as error:
        return error.bad


class SoundFiles(FileSource):
    """Sounds ``(channels, samples)`` int16 of some files, and their classes.

    Args:
        files: Paths and class numbers.
        form: What the sounds are brought to.
        log: Of bad files.
        random: Whether crops are drawn at random at each reading, for training, else they are the middle.
    """

    def __init__(self, files: ListedFiles, form: SoundFormat, log: BadFileLog, random: bool = False) -> None:
        super().__init__(files, log, refills=random)
        self.form = form
        self.random = random

    def load(self, index: int, key: RandomKey) -> tuple[Tensor, int] | BadFile | Mended:
        """A sound and its class, or what is wrong with the file."""
        path, target = self.files[index]
        place = key.uniform(1)[0] if self.random else 0.5
        sound = load_sound(path, self.form._replace(lenient=False), place)
        if not isinstance(sound, BadFile):
            return sound, target
        if not self.form.lenient or sound.reason != Reason.BROKEN:
            return sound
        read = load_sound(path, self.form, place)
        return read if isinstance(read, BadFile) else mended((read, target), sound)


def num_channels(files: ListedFiles) -> int:
    """Number of channels of the first sound file that can be opened.

    Raises:
        ValueError: If there is none.
    """
    for path, _ in files:
        try:
            with open_sound(path) as sound:
                return int(sound.file.channels)
        except BadFileError:
            continue
    raise InputError(f"none of {len(files)} sound files can be opened, such as {files[0][0] if files else 'none'}")


def _what_is_wrong(path: str, sound: OpenSound, form: SoundFormat) -> BadFile | None:
    file, wanted = sound.file, form.sample_rate
    if sound.is_cut and not form.lenient:
        return BadFile(path, Reason.BROKEN, f"it is cut off or damaged, {sound.is_cut}")
    if not sound.total:
        return BadFile(path, Reason.EMPTY, "it has no samples")
    if form.channels not in (None, file.channels):
        message = f"it has {file.channels} channels, the first file has {form.channels}; use mono=True"
        return BadFile(path, Reason.UNFIT, message)
    if max(ratio(file.samplerate, wanted)) > MAX_RATIO:
        message = f"its rate of {file.samplerate} Hz has no ratio to {wanted} Hz of numbers up to {MAX_RATIO}"
        return BadFile(path, Reason.UNFIT, f"{message}: resample it")
    seconds = sound.total / file.samplerate
    if form.num_samples is None and seconds > form.max_seconds:
        message = f"it lasts {seconds:.0f} seconds, more than max_seconds={form.max_seconds:g}: crop it, or raise that"
        return BadFile(path, Reason.TOO_LARGE, message)
    return None


def _samples(path: str, sound: OpenSound, form: SoundFormat, place: float) -> Tensor | BadFile:
    """Samples of a sound, int16; only blocks of it are there in other forms."""
    rate, wanted = sound.file.samplerate, form.sample_rate
    length = sound.total
    if form.num_samples is not None:
        length = min(length, -(-form.num_samples * rate // wanted))
    start = round(place * (sound.total - length))
    up, down = ratio(rate, wanted)
    channels = form.channels or 1
    expected = -(-length * up // down)
    size = expected if form.num_samples is None else form.num_samples
    samples = np.zeros((channels, size), np.int16)
    blocks = _Counted(read_blocks(sound, path, start, length, block_length(rate, wanted)))
    end = 0
    for part in resample(_mixed(blocks, form.channels is None), rate, wanted):
        taken = part[:, : size - end]
        np.multiply(taken, 32768, out=taken)
        samples[:, end : end + taken.shape[1]] = taken.round().clip(-32768, 32767)
        end += taken.shape[1]
    if blocks.count < length and not (form.lenient and blocks.count):
        message = f"it is cut off or damaged, {blocks.count} of {length} samples can be decoded"
        return BadFile(path, Reason.BROKEN, message)
    return torch.from_numpy(samples if form.num_samples is not None else samples[:, :end])


class _Counted:
    """Blocks, and the number of samples that came."""

    def __init__(self, blocks: Iterable[NDArray[np.float32]]) -> None:
        self.blocks = blocks
        self.count = 0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for block in self.blocks:
            self.count += block.shape[1]
            yield block


def _mixed(blocks: Iterable[NDArray[np.float32]], mono: bool) -> Iterator[NDArray[np.float32]]:
    for block in blocks:
        yield block.mean(0, keepdims=True) if mono and len(block) > 1 else block
