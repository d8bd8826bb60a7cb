"""Sound files: read, checked, resampled, cropped."""

import re
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import soundfile
import torch
from torch import Tensor

from lossy_lightning.core import InputError, RandomKey
from lossy_lightning.data.source import Source

#: Endings of the files that count as sounds.
SOUND_EXTENSIONS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
#: What libsndfile notes of a WAV, AIFF or AU file that is shorter than its header says; it reads what there is.
_SHORTENED = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_STREAMED = 0x7FFF0000  # from here on, lengths in headers stand for one that the writer did not know
_MP3_LEAST = 0.9  # of the samples that a header promises, which may be an estimate


class SoundFormat(NamedTuple):
    """What all sounds of a data set are brought to.

    Attributes:
        sample_rate: Rate in Hz; files of another rate are resampled.
        num_samples: Length to which sounds are cropped or, with zeros at the end, padded; None for whole sounds.
        channels: Number of channels that files must have; None averages those that they have to one.
    """

    sample_rate: int
    num_samples: int | None = None
    channels: int | None = None


def read_sound(path: str | Path, form: SoundFormat, place: float = 0.5) -> Tensor:
    """Samples of a sound file, of any format that libsndfile reads; of a crop, only that part is read from disk.

    MP3 files are an exception: they are read whole, because a frame needs earlier ones, and cropped then.

    Samples are read as float32, of which 1 is the greatest 16-bit sample, checked, resampled if the file's rate is
    another, rounded, and clipped: lossy formats overshoot.

    Args:
        path: Of the file.
        form: What the sound is brought to.
        place: Of a crop, from 0, the start, to 1, the end.

    Returns:
        ``(channels, samples)`` int16.

    Raises:
        ValueError: If the file cannot be decoded, is empty or cut off, has samples that are not finite, or its
            channels are not those of the form; the message names the path.
    """
    try:
        with soundfile.SoundFile(path) as file:
            _check_length(file)
            samples = _part(file, form, place) if file.format != "MP3" else _part_of_mp3(file, form, place)
            rate = file.samplerate
        if not samples.isfinite().all():
            raise InputError("it has samples that are NaN or infinite")
    except (soundfile.LibsndfileError, OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {str(error).split(': ')[-1]}") from error
    if form.channels is None:
        samples = samples.mean(0, keepdim=True)
    elif len(samples) != form.channels:
        raise InputError(f"{path} has {len(samples)} channels, the first file has {form.channels}; use mono=True")
    if rate != form.sample_rate:
        samples = _resample(rate, form.sample_rate)(samples)
    if form.num_samples is not None:
        missing = form.num_samples - samples.shape[1]
        samples = torch.nn.functional.pad(samples, (0, missing))  # a negative number of zeros crops
    return (samples * 32768).round().clamp(-32768, 32767).to(torch.int16)


class SoundFiles(Source):
    """Sounds ``(channels, samples)`` int16 of some files, and their classes.

    Args:
        files: Paths and class numbers.
        form: What the sounds are brought to.
        random: Whether crops are drawn at random at each reading, else they are the middle.
    """

    def __init__(self, files: Sequence[tuple[str, int]], form: SoundFormat, random: bool = False) -> None:
        self.files = files
        self.form = form
        self.random = random

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, target = self.files[index]
        place = torch.rand(()).item() if self.random else 0.5
        try:
            return read_sound(path, self.form, place), target
        except ValueError as error:
            raise InputError(f"{error}; repair or remove it, or use skip_bad=True") from error

    def fetch(self, indices: Sequence[int], key: RandomKey) -> list[tuple[Tensor, int]]:
        """Pairs, each drawn by itself."""
        return self.fetch_each(indices, key)

    def describe(self, index: int) -> str:
        """Path of the file."""
        return self.files[index][0]


def bad_files(paths: Sequence[str], form: SoundFormat) -> dict[str, str]:
    """Files that cannot be read, and what is wrong with each; all of them are read.

    Args:
        paths: Of the files.
        form: What their sounds are brought to.
    """
    bad = {}
    for path in paths:
        try:
            read_sound(path, form)
        except ValueError as error:
            bad[path] = str(error)
    return bad


def warn_of(bad: dict[str, str], total: int, root: Path) -> None:
    """Say in one warning which files are left out, why, and how many they are."""
    if bad:
        listed = "; ".join(bad.values())
        warnings.warn(f"{len(bad)} of {total} files in {root} are skipped: {listed}", stacklevel=2)


def num_channels(path: str) -> int:
    """Number of channels of a sound file.

    Raises:
        ValueError: If the file cannot be opened.
    """
    try:
        channels: int = soundfile.info(path).channels
    except (soundfile.LibsndfileError, OSError) as error:
        raise InputError(f"{path} cannot be opened: {str(error).split(': ')[-1]}; repair or remove it") from error
    return channels


def _check_length(file: soundfile.SoundFile) -> None:
    """Check that no samples are missing from a file whose header states how many bytes they take."""
    for stated, there in _SHORTENED.findall(file.extra_info):
        if int(there) < int(stated) < _STREAMED:
            raise InputError(f"it is cut off, {there} of {stated} bytes of samples are there")


def _part(file: soundfile.SoundFile, form: SoundFormat, place: float) -> Tensor:
    """The samples ``(channels, samples)`` of the file that make the sound, at the file's rate."""
    start, length = _where(int(file.frames), file.samplerate, form, place)
    if start:  # some streams cannot seek at all
        file.seek(start)
    return _read(file, length, least=length)


def _part_of_mp3(file: soundfile.SoundFile, form: SoundFormat, place: float) -> Tensor:
    """The same of an MP3 file: after a seek, its first frames would decode to zeros, and the length is an estimate."""
    samples = _read(file, int(file.frames), least=round(_MP3_LEAST * file.frames))
    start, length = _where(samples.shape[1], file.samplerate, form, place)
    return samples[:, start : start + length]


def _where(total: int, rate: int, form: SoundFormat, place: float) -> tuple[int, int]:
    """First sample and number of samples of a sound in a file of ``total`` samples."""
    if not total:
        raise InputError("it has no samples")
    if form.num_samples is None:
        return 0, total
    length = min(total, -(-form.num_samples * rate // form.sample_rate))
    return round(place * (total - length)), length


def _read(file: soundfile.SoundFile, length: int, least: int) -> Tensor:
    samples = torch.from_numpy(file.read(length, dtype="float32", always_2d=True)).T
    if samples.shape[1] < least:
        raise InputError(f"it is cut off or damaged, {samples.shape[1]} of {length} samples can be decoded")
    return samples


@lru_cache(16)
def _resample(rate: int, wanted: int) -> Callable[[Tensor], Tensor]:
    from torchaudio.transforms import Resample  # slow to import

    # Kept, because making its filter takes longer than filtering a clip.
    resample: Callable[[Tensor], Tensor] = Resample(rate, wanted)
    return resample
