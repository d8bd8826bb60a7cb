"""Folders of sound files, one folder a class, seen through a codec."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from lossy_lightning.core import Codec, InputError, MissingFileError
from lossy_lightning.core.arguments import check_integers, check_numbers
from lossy_lightning.data._arguments import SignalArguments, Unpack
from lossy_lightning.data._file_data import FileDataModule
from lossy_lightning.data._groups import assign_splits, choose_groups
from lossy_lightning.data._listing import (
    ListedFiles,
    class_files,
    class_names,
    files_below,
    split_folder,
    visible_files,
    visible_folders,
)
from lossy_lightning.data._splits import Split
from lossy_lightning.data.audio import SOUND_EXTENSIONS, SoundFiles, SoundFormat, look_at_sound, num_channels
from lossy_lightning.data.bad_files import BadFile, BadFiles
from lossy_lightning.data.source import Source


class ListedFile(NamedTuple):
    """Path of a file, number of its class, and its split."""

    path: str
    target: int
    split: Split


class SoundDataModule(FileDataModule):
    """Sound files in a list, seen through a codec; a subclass sets ``sounds`` and ``form``.

    Attributes:
        sounds: All files.
        form: What sounds are brought to.
    """

    sounds: list[ListedFile]
    form: SoundFormat

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
        bad_files: What becomes of files that cannot be used; all are looked at before training.
        max_seconds: Files that last longer are bad, if sounds come whole.
        arguments: As of `EncodedDataModule`.

    Raises:
        FileNotFoundError: If there are no class folders with sound files.
        ValueError: If a number is out of range.
        MisconfigurationException: If a codec expects another rate, or groups cannot be split.

    Example:
        >>> data = AudioFolder(PCM(16), "esc10", 16_000, seconds=2, group=lambda path: path.name[0])  # doctest: +SKIP
        >>> data.spec.shape  # doctest: +SKIP
        (1, 32000)
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
        bad_files: BadFiles = BadFiles.REFUSE,
        max_seconds: float = 3600.0,
        **arguments: Unpack[SignalArguments],
    ) -> None:
        super().__init__(codec, root, bad_files, **arguments)
        check_integers(1, sample_rate=sample_rate)
        check_numbers(0, 1, excluded=1, test_fraction=test_fraction)
        check_numbers(0, max_seconds=max_seconds, seconds=0 if seconds is None else seconds)
        if seconds is not None and seconds * sample_rate < 1:
            raise InputError(f"seconds hold at least a sample; got {seconds=} at {sample_rate=}")
        self.sample_rate = sample_rate
        self.check_sample_rates()
        self.seconds = seconds
        self.mono = mono
        self.group = group
        self.test_fraction = test_fraction
        if isinstance(test_groups, str):
            raise InputError(f"test_groups is a list of names, such as [{test_groups!r}]; got the text {test_groups!r}")
        self.test_groups = tuple(map(str, test_groups))
        self.max_seconds = max_seconds
        self.classes = tuple(self._classes())
        self.num_classes = len(self.classes)
        self.sounds = self._split_files() if self._has_splits() else self._class_files()
        channels = None if mono else num_channels([(path, target) for path, target, _ in self.sounds])
        self.signal_shape = (channels or 1, None if seconds is None else round(seconds * sample_rate))
        self.form = SoundFormat(sample_rate, self.signal_shape[1], channels, max_seconds, bad_files.lenient)

    def _has_splits(self) -> bool:
        folder = split_folder(self.root, "train")
        return folder is not None and bool(visible_folders(folder))  # "train" may be the name of a class

    def _classes(self) -> list[str]:
        if self._has_splits():
            return class_names(self.root)
        folders = visible_folders(self.root) if self.root.is_dir() else []
        # A folder without sounds, such as the cache's, is no class.
        names = [name for name in folders if any(files_below(self.root / name, SOUND_EXTENSIONS))]
        if not names:
            raise MissingFileError(
                f"there are no sound files in {self.root}; they are expected in {self.root}/<class>/ or "
                f"{self.root}/train/<class>/, with one of the endings {', '.join(SOUND_EXTENSIONS)}"
            )
        return names

    def _class_files(self) -> list[ListedFile]:
        numbers = {name: number for number, name in enumerate(self.classes or ())}
        files = visible_files(self.root, numbers, SOUND_EXTENSIONS)
        groups = self._groups(files)
        test = set(self.test_groups) or choose_groups(groups, self.test_fraction, self.seed)
        unknown = sorted(test - set(groups))
        if unknown:
            raise InputError(f"test_groups names {unknown}, but the groups are {sorted(set(groups))}")
        splits = assign_splits(groups, test, self.val_fraction, self.seed)
        return [ListedFile(path, target, split) for (path, target), split in zip(files, splits, strict=True)]

    def _split_files(self) -> list[ListedFile]:
        splits: tuple[Split, ...] = ("train", "val", "test")
        own = {split: class_files(self.root, split, SOUND_EXTENSIONS) for split in splits}
        train = own["train"] or []
        if own["val"] is not None:
            files = [ListedFile(*file, split) for split in splits for file in own[split] or []]
        else:
            parts = assign_splits(self._groups(train), set(), self.val_fraction, self.seed)
            files = [ListedFile(*file, part) for file, part in zip(train, parts, strict=True)]
            files += [ListedFile(*file, "test") for file in own["test"] or []]
        self._check_groups(files)
        return files

    def _check_groups(self, files: list[ListedFile]) -> None:
        if self.group is None:
            return
        sides: dict[str, set[Split]] = {}
        for path, _, split in files:
            sides.setdefault(str(self.group(Path(path))), set()).add(split)
        shared = sorted(name for name, own in sides.items() if len(own) > 1)
        if shared:
            raise InputError(
                f"{len(shared)} groups are on several sides of the folders of {self.root}: {', '.join(shared[:20])}"
                f"{', …' if len(shared) > 20 else ''}; move each to one of train, val and test, or leave group out"
            )

    def _groups(self, files: list[tuple[str, int]]) -> list[str]:
        if self.group is not None:
            return [str(self.group(Path(path))) for path, _ in files]
        # Relative paths, so that a folder that was moved is split as before.
        return [Path(path).relative_to(self.root).as_posix() for path, _ in files]
