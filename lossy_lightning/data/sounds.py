"""Folders of sound files, one folder a class, seen through a codec."""

from collections.abc import Callable, Sequence
from pathlib import Path

from lossy_lightning.core import Codec, InputError, SignalForm
from lossy_lightning.core.arguments import check_integers, check_numbers
from lossy_lightning.data._arguments import SignalArguments, Unpack
from lossy_lightning.data._file_data import FileDataModule
from lossy_lightning.data._grouped_files import GroupedFiles, ListedFile
from lossy_lightning.data._listing import ListedFiles
from lossy_lightning.data._splits import Split
from lossy_lightning.data.audio import SOUND_EXTENSIONS, SoundFiles, SoundFormat, look_at_sound, num_channels
from lossy_lightning.data.bad_files import BadFile, BadFiles
from lossy_lightning.data.source import Source


class SoundDataModule(FileDataModule):
    """Sound files in a list, seen through a codec; a subclass sets ``sounds`` and ``form``.

    Attributes:
        sounds: All files.
        form: What sounds are brought to.
    """

    sounds: list[ListedFile]
    form: SoundFormat

    @property
    def signal_form(self) -> SignalForm:
        """The middle part, or whole sounds."""
        return SignalForm(self.signal_shape, self.form.num_samples is not None, sample_rate=self.sample_rate)

    def signals(self, split: Split) -> Source | None:
        """Sounds ``(channels, samples)`` int16 and their classes."""
        files = self.good_files(split)
        random = split == "train" and self.transform is not None
        return None if files is None else SoundFiles(files, self.form, self.log, random)

    def listed(self, split: Split) -> ListedFiles | None:
        """All files of a split."""
        return [(path, target) for path, target, own in self.sounds if own == split] or None

    def look(self, split: Split, files: ListedFiles) -> list[BadFile]:
        """What some files tell against them without being decoded."""
        found = [look_at_sound(path, self.form) for path, _ in files]
        return [bad for bad in found if bad is not None]

    def header_key(self) -> str:
        """What sounds are brought to."""
        return str(self.form)


class AudioFolder(SoundDataModule):
    """Sound files of any format that libsndfile reads (WAV, FLAC, Ogg, Opus, MP3), one folder a class.

    Either ``<root>/{train,val,test}/<class>/``, as of `ImageFolder`, or ``<root>/<class>/``, of which shares of the
    files are taken for test and validation: `val_fraction` is one of the groups that are not for test.

    Args:
        codec: What the sounds go through.
        root: Folder of the splits or classes.
        sample_rate: Rate in Hz; files of another rate are resampled.
        seconds: Length to which sounds are cropped or, with zeros at the end, padded: the crop is the middle, or drawn
            at random in training with a ``transform``, and only it is read from disk. None for whole sounds, which are
            padded in batches if they differ in length.
        mono: Whether several channels are averaged to one; else all files must have as many as the first.
        group: Names what must stay on one side of a split, such as the speaker, from a file's path; by default each
            file is a group of its own.
        test_fraction: Share of the groups taken for test, if there is no folder ``train``.
        test_groups: Names of the groups taken for test instead.
        test_fold: The fold, from 0 to 4, of ``crc32(group) % 5`` that is taken for test instead.
        bad_files: What becomes of files that cannot be used; all are looked at before training.
        max_seconds: Files that last longer are bad, if sounds come whole.
        arguments: As of `EncodedDataModule`.

    Raises:
        FileNotFoundError: If there are no class folders with sound files.
        ValueError: If a number is out of range.
        MisconfigurationException: If a codec expects another rate, or groups cannot be split.

    Example:
        >>> import soundfile, tempfile
        >>> import numpy as np
        >>> from lossy_lightning.codecs import PCM
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name, pitch in (("high", 2_000), ("low", 200)):
        ...         for i in range(5):
        ...             Path(folder, name).mkdir(exist_ok=True)
        ...             tone = np.sin(2 * np.pi * pitch * np.arange(8_000) / 8_000)
        ...             soundfile.write(f"{folder}/{name}/{i}.wav", tone, 8_000)
        ...     data = AudioFolder(PCM(16), folder, 8_000, seconds=0.5, cache_dir=f"{folder}/codes")
        ...     code, target = next(iter(data.test_dataloader()))
        >>> data.classes, code.shape, code.dtype
        (('high', 'low'), torch.Size([2, 1, 4000]), torch.int16)
    """

    def __init__(
        self,
        codec: Codec,
        root: str | Path,
        sample_rate: int,
        seconds: float | None = None,
        mono: bool = True,
        group: Callable[[Path], str] | None = None,
        test_fraction: float = 0.2,
        test_groups: Sequence[str] = (),
        test_fold: int | None = None,
        bad_files: BadFiles = BadFiles.REFUSE,
        max_seconds: float = 3600.0,
        **arguments: Unpack[SignalArguments],
    ) -> None:
        super().__init__(codec, root, bad_files, **arguments)
        check_integers(1, sample_rate=sample_rate)
        check_numbers(0, max_seconds=max_seconds, seconds=0 if seconds is None else seconds)
        if seconds is not None and seconds * sample_rate < 1:
            raise InputError(f"seconds hold at least a sample; got {seconds=} at {sample_rate=}")
        self.sample_rate = sample_rate
        self.check_sample_rates()
        self.seconds = seconds
        self.mono = mono
        self.max_seconds = max_seconds
        files = GroupedFiles(self.root, SOUND_EXTENSIONS, group, test_fraction, test_groups, test_fold)
        self.classes = tuple(files.classes())
        self.num_classes = len(self.classes)
        self.sounds = files.split(self.val_fraction, self.seed)
        channels = None if mono else num_channels([(path, target) for path, target, _ in self.sounds])
        self.signal_shape = (channels or 1, None if seconds is None else round(seconds * sample_rate))
        self.form = SoundFormat(sample_rate, self.signal_shape[1], channels, max_seconds, bad_files.lenient)
