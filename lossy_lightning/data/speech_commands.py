"""Speech Commands, seen through a codec."""

from collections.abc import Sequence
from pathlib import Path

from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.core import Codec, InputError, MissingFileError
from lossy_lightning.data._arguments import SignalArguments, Unpack
from lossy_lightning.data._grouped_files import ListedFile
from lossy_lightning.data._groups import assign_splits, fold_of
from lossy_lightning.data._listing import visible_files, visible_folders
from lossy_lightning.data._splits import Split
from lossy_lightning.data.audio import SOUND_EXTENSIONS, SoundFormat
from lossy_lightning.data.bad_files import BadFiles
from lossy_lightning.data.sounds import SoundDataModule

_FOLDER = "SpeechCommands/speech_commands_v0.02"
_LISTS: dict[str, Split] = {"testing_list.txt": "test", "validation_list.txt": "val"}


class SpeechCommands(SoundDataModule):
    """Speech Commands: one second of one spoken word each, in torchaudio's folders.

    The files are looked for in ``<root>/SpeechCommands/speech_commands_v0.02/<word>/``. If the official lists
    ``testing_list.txt`` and ``validation_list.txt`` are there, they split the clips; else one of five folds of
    *speakers* is the test split, and `val_fraction` of the other speakers is for validation, a tenth by default.
    Shorter clips are padded with zeros at their end.

    Args:
        codec: What the sounds go through.
        root: Folder of ``SpeechCommands``; by default ``$LOSSY_DATA``.
        words: The classes, in their order; None for all folders, in alphabetical order.
        test_fold: The fold, from 0 to 4, of ``crc32(speaker) % 5`` that is the test split.
        by_speaker: False splits by file, so that a speaker is on all sides, and only shows what that leak is worth.
        sample_rate: Rate in Hz; clips, of 16 000 Hz, are resampled if it is another.
        bad_files: What becomes of files that cannot be used; all are looked at before training.
        arguments: As of `EncodedDataModule`.

    Raises:
        FileNotFoundError: If the folder, or that of a word, is missing.
        ValueError: If the fold or the rate is out of range, or a word is named twice.
        MisconfigurationException: If a codec expects another rate, or a fold is named though there are lists.

    Source: Warden, Speech Commands: a dataset for limited-vocabulary speech recognition, arXiv:1804.03209, 2018.

    Example:
        >>> import soundfile, tempfile
        >>> from itertools import product
        >>> import numpy as np
        >>> from lossy_lightning.codecs import PCM
        >>> with tempfile.TemporaryDirectory() as folder:  # that of the data set lies in $LOSSY_DATA
        ...     for word, speaker in product(("no", "yes"), range(20)):
        ...         clip = Path(folder, "SpeechCommands/speech_commands_v0.02", word, f"{speaker:08x}_nohash_0.wav")
        ...         clip.parent.mkdir(parents=True, exist_ok=True)
        ...         soundfile.write(clip, np.zeros(15_000), 16_000)
        ...     data = SpeechCommands(PCM(16), folder, words=["yes", "no"], cache_dir=f"{folder}/codes")
        ...     code, target = next(iter(data.test_dataloader()))
        >>> data.classes, code.shape, sorted({speaker_of(path) for path, _, split in data.sounds if split == "val"})
        (('yes', 'no'), torch.Size([12, 1, 16000]), ['00000007'])
    """

    def __init__(
        self,
        codec: Codec,
        root: str | Path | None = None,
        words: Sequence[str] | None = None,
        test_fold: int = 0,
        by_speaker: bool = True,
        sample_rate: int = 16_000,
        bad_files: BadFiles = BadFiles.REFUSE,
        **arguments: Unpack[SignalArguments],
    ) -> None:
        super().__init__(codec, root, bad_files, **arguments)
        if not 0 <= test_fold <= 4 or sample_rate < 1:
            raise InputError(f"test_fold is 0 to 4 and sample_rate at least 1; got {test_fold=}, {sample_rate=}")
        self.folder = self.root / _FOLDER
        self.words = _words(self.folder, words)
        self.test_fold = test_fold
        self.by_speaker = by_speaker
        self.sample_rate = sample_rate
        self.signal_shape = (1, sample_rate)
        self.form = SoundFormat(sample_rate, sample_rate, lenient=bad_files.lenient)
        self.classes = tuple(self.words)
        self.num_classes = len(self.classes)
        self.check_sample_rates()
        if test_fold and by_speaker and self._has_lists():
            raise MisconfigurationException(
                f"the official lists in {self.folder} split the clips; leave test_fold out, or remove the lists"
            )
        self.sounds = self._list()

    def _has_lists(self) -> bool:
        return all((self.folder / name).is_file() for name in _LISTS)

    def _list(self) -> list[ListedFile]:
        clips = visible_files(self.folder, {word: i for i, word in enumerate(self.words)}, SOUND_EXTENSIONS)
        names = [f"{Path(path).parent.name}/{Path(path).name}" for path, _ in clips]
        if self.by_speaker and self._has_lists():
            listed = {name: split for file, split in _LISTS.items() for name in _lines(self.folder / file)}
            splits: list[Split] = [listed.get(name, "train") for name in names]
        else:
            groups = [speaker_of(name) if self.by_speaker else name for name in names]
            test = {group for group in groups if fold_of(group) == self.test_fold}
            splits = assign_splits(groups, test, self.val_fraction, self.seed)
        return [ListedFile(path, target, split) for (path, target), split in zip(clips, splits, strict=True)]


def speaker_of(name: str | Path) -> str:
    """Speaker of a clip of Speech Commands, from its file's name: the ``group`` of folders of such clips.

    Example:
        >>> speaker_of("yes/0132a06d_nohash_2.wav")
        '0132a06d'
    """
    return Path(name).stem.split("_nohash_")[0]


def _words(folder: Path, words: Sequence[str] | None) -> list[str]:
    if not folder.is_dir():
        raise MissingFileError(
            f"there is no folder {folder.absolute()}; set root, or $LOSSY_DATA, to the folder of SpeechCommands, or "
            "get the data (2.3 GiB) by torchaudio.datasets.SPEECHCOMMANDS(root, download=True)"
        )
    found = [name for name in visible_folders(folder) if name != "_background_noise_"]
    if words is not None and not all(isinstance(word, str) for word in words):
        raise InputError(f"words are texts; got {list(words)}: in YAML, yes, no, on and off need quotes")
    if words is not None and (isinstance(words, str) or not words or len(set(words)) < len(words)):
        raise InputError(f"words is a list of one or more different ones, or None for all; got {words!r}")
    missing = sorted(set(words or []) - set(found))
    if missing:
        raise MissingFileError(f"{folder} has no folders {missing}; its words are {found}")
    return list(words or found)


def _lines(path: Path) -> list[str]:
    return path.read_text().split()
