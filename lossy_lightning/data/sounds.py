"""Folders of sound files, one folder a class, seen through a codec."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from lossy_lightning.core import Codec, InputError, MissingFileError
from lossy_lightning.data._arguments import SignalArguments, Unpack
from lossy_lightning.data._groups import assign_splits, choose_groups
from lossy_lightning.data._once import make_once
from lossy_lightning.data._splits import Split
from lossy_lightning.data.audio import (
    SOUND_EXTENSIONS,
    SoundFiles,
    SoundFormat,
    bad_files,
    num_channels,
    warn_of,
)
from lossy_lightning.data.encoded import EncodedDataModule
from lossy_lightning.data.folders import class_files, class_names, is_hidden, visible_files, visible_folders
from lossy_lightning.data.source import Source


class ListedFile(NamedTuple):
    """Path of a file, number of its class, and its split."""

    path: str
    target: int
    split: Split


class AudioFolder(EncodedDataModule):
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
        skip_bad: Whether files that cannot be read are left out, with a warning that names and counts them.
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
        skip_bad: bool = False,
        **arguments: Unpack[SignalArguments],
    ) -> None:
        super().__init__(codec, root, **arguments)
        if sample_rate < 1 or not 0 <= test_fraction < 1 or (seconds is not None and seconds * sample_rate < 1):
            raise InputError(
                "sample_rate is at least 1, seconds hold at least a sample and test_fraction is in [0, 1); "
                f"got {sample_rate=}, {seconds=}, {test_fraction=}"
            )
        self.sample_rate = sample_rate
        self.check_sample_rates()
        self.seconds = seconds
        self.mono = mono
        self.group = group
        self.test_fraction = test_fraction
        self.test_groups = tuple(test_groups)
        self.skip_bad = skip_bad
        self._told: set[Split] = set()
        self.classes = tuple(self._classes())
        self.num_classes = len(self.classes)
        self._files = self._split_files() if self._has_splits() else self._class_files()
        channels = None if mono else num_channels(self._files[0].path)
        self.signal_shape = (channels or 1, None if seconds is None else round(seconds * sample_rate))
        self._form = SoundFormat(sample_rate, self.signal_shape[1], channels)

    def signals(self, split: Split) -> Source | None:
        """Sounds ``(channels, samples)`` int16 and their classes."""
        return signals_of(self, self._files, split, self._form, self.skip_bad, self._told)

    def _has_splits(self) -> bool:
        return (self.root / "train").is_dir()

    def _classes(self) -> list[str]:
        if self._has_splits():
            return class_names(self.root)
        folders = visible_folders(self.root) if self.root.is_dir() else []
        # A folder without sounds, such as the cache's, is no class.
        names = [name for name in folders if any(map(self._is_sound, (self.root / name).rglob("*")))]
        if not names:
            raise MissingFileError(
                f"there are no sound files in {self.root}; they are expected in {self.root}/<class>/ or "
                f"{self.root}/train/<class>/, with one of the endings {', '.join(SOUND_EXTENSIONS)}"
            )
        return names

    def _is_sound(self, path: Path) -> bool:
        return path.suffix.lower() in SOUND_EXTENSIONS and not is_hidden(str(path), self.root)

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
            return [ListedFile(*file, split) for split in splits for file in own[split] or []]
        parts = assign_splits(self._groups(train), set(), self.val_fraction, self.seed)
        chosen = [ListedFile(*file, part) for file, part in zip(train, parts, strict=True)]
        return chosen + [ListedFile(*file, "test") for file in own["test"] or []]

    def _groups(self, files: list[tuple[str, int]]) -> list[str]:
        if self.group is not None:
            return [str(self.group(Path(path))) for path, _ in files]
        # Relative paths, so that a folder that was moved is split as before.
        return [Path(path).relative_to(self.root).as_posix() for path, _ in files]


def signals_of(
    data: EncodedDataModule,
    files: list[ListedFile],
    split: Split,
    form: SoundFormat,
    skip_bad: bool,
    told: set[Split],
) -> SoundFiles | None:
    """The sounds of a split; it warns of bad files, unless ``told`` has the split already, and puts it there."""
    chosen = [(path, target) for path, target, own in files if own == split]
    if not chosen:
        return None
    random = split == "train" and data.transform is not None
    if skip_bad or random:
        # Codes of transformed sounds are not made in advance, and a bad file should not end a training.
        whole = form._replace(num_samples=None) if random else form
        bad = _bad_files(data, [path for path, _ in chosen], whole)
        if bad and not skip_bad:
            raise InputError(f"{next(iter(bad.values()))}; repair or remove it, or use skip_bad=True")
        if split not in told:
            told.add(split)
            warn_of(bad, len(chosen), data.root)
        chosen = [file for file in chosen if file[0] not in bad]
    return SoundFiles(chosen, form, random)


def _bad_files(data: EncodedDataModule, paths: list[str], form: SoundFormat) -> dict[str, str]:
    """Files that cannot be read; found once, while none of the files changes."""
    stats = [Path(path).stat() for path in paths]
    marks = [(path, stat.st_size, stat.st_mtime_ns) for path, stat in zip(paths, stats, strict=True)]
    key = sha256(f"{marks} {form}".encode()).hexdigest()[:16]
    found: dict[str, str] = make_once(data.cache_dir / f"bad-{key}", lambda: bad_files(paths, form))
    return found
