"""Files that cannot be used: what becomes of them, and how they are told."""

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, NamedTuple

from lossy_lightning.core import InputError

_MOST_LISTED = 1000


class BadFiles(Enum):
    """What becomes of files that cannot be used.

    They are missing, unreadable, empty, of another format, broken, too large, or not what the codec takes.

    Attributes:
        REFUSE: They are an error that names each of them and what is wrong with it.
        SKIP: They are left out, and a warning counts them by what is wrong.
        LENIENT: Data that end early or are damaged are read as decoders of the format do that never give up: lost
            parts are made up, and the warning counts them apart. What cannot be read even so is left out as with
            ``SKIP``.
    """

    REFUSE = "refuse"
    SKIP = "skip"
    LENIENT = "lenient"

    @property
    def lenient(self) -> bool:
        """Whether damaged data are read as far as they go."""
        return self is BadFiles.LENIENT

    @property
    def skipped(self) -> bool:
        """Whether bad files are left out, and no error."""
        return self is not BadFiles.REFUSE


class Reason(Enum):
    """What is wrong with a file, as counts call it."""

    MISSING = "missing"
    UNREADABLE = "not readable"
    EMPTY = "empty"
    FORMAT = "of another format, or with a broken header"
    BROKEN = "broken or cut off"
    TOO_LARGE = "too large"
    UNFIT = "not what the codec or crop takes"


class BadFile(NamedTuple):
    """A file that cannot be used.

    Attributes:
        path: Of the file.
        reason: In one word, for counts.
        message: What is wrong, without the path.
        mended: Whether it was read all the same, leniently.
    """

    path: str
    reason: Reason
    message: str
    mended: bool = False

    @classmethod
    def from_os(cls, path: str, error: OSError) -> "BadFile":
        """What an operating system says that cannot open a file."""
        missing = isinstance(error, FileNotFoundError)
        return cls(
            path, Reason.MISSING if missing else Reason.UNREADABLE, f"it cannot be opened: {error.strerror or error}"
        )

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class BadFileError(InputError):
    """A single file that cannot be used, as an error.

    Args:
        bad: The file.
    """

    def __init__(self, bad: BadFile) -> None:
        super().__init__(f"{bad}; repair or remove it, or leave it out by bad_files=BadFiles.SKIP")
        self.bad = bad

    def __reduce__(self) -> tuple[type["BadFileError"], tuple[BadFile]]:
        return BadFileError, (self.bad,)  # it may come from a worker


class Mended(NamedTuple):
    """An example of a damaged file that was read leniently.

    Attributes:
        example: Made up where data are lost.
        bad: The file, and what is wrong with it.
    """

    example: Any
    bad: BadFile


def mended(example: Any, bad: BadFile) -> Any:
    """What lenient reading made of a file in which something is wrong: an example, or a bad file as well."""
    return example if isinstance(example, BadFile) else Mended(example, bad._replace(mended=True))


class FileBatch(NamedTuple):
    """A batch as a source of files hands it to its loader.

    Attributes:
        batch: Of the files that could be read; None if there are none.
        bad: The others, and those that were mended.
    """

    batch: Any
    bad: list[BadFile]


def sift(items: Iterable[Any]) -> tuple[list[Any], list[BadFile]]:
    """Good examples, and bad files, of a list that has both; a mended one is among both."""
    good: list[Any] = []
    bad: list[BadFile] = []
    for item in items:
        if isinstance(item, Mended):
            bad.append(item.bad)
            item = item.example
        (bad if isinstance(item, BadFile) else good).append(item)
    return good, bad


class BadFileLog:
    """What the readers of a data set found wrong with its files, in one process.

    Args:
        policy: What becomes of bad files.
        where: Of the files, for messages.
        total: Number of files.

    Attributes:
        found: Bad files by path, each once, and those that were mended.

    Raises:
        ValueError: If the policy is none.
    """

    def __init__(self, policy: BadFiles, where: str, total: int = 0) -> None:
        if not isinstance(policy, BadFiles):
            raise InputError(
                f"bad_files is one of {', '.join(f'BadFiles.{each.name}' for each in BadFiles)}; got {policy!r}"
            )
        self.policy = policy
        self.where = where
        self.total = total
        self.found: dict[str, BadFile] = {}
        self._told = 0

    def add(self, bad: Sequence[BadFile]) -> None:
        """Note bad files.

        Raises:
            BadFileError: If they are to be refused; of several, all are named in one `InputError`.
        """
        if bad and not self.policy.skipped:
            raise BadFileError(bad[0]) if len(bad) == 1 else InputError(self._refusal(bad))
        self.found.update((each.path, each) for each in bad)

    def tell(self) -> None:
        """Warn of what was found since this was called last, in one warning: counts by reason, then the files."""
        found = list(self.found.values())
        new, self._told = found[self._told :], len(found)
        sentences = []
        for is_mended, become in ((False, "are left out"), (True, "are damaged, and mended by lenient reading")):
            some = [each for each in new if each.mended == is_mended]
            altogether = sum(each.mended == is_mended for each in found)
            before = "" if len(some) == altogether else f", {altogether} altogether"
            if some:
                sentences.append(f"{len(some)} of {self._files()} {become} ({_counts(some)}){before}: {_list(some)}")
        if sentences:
            warnings.warn("; ".join(sentences), stacklevel=3)

    def summary(self) -> str:
        """Number of files, and of those that are left out by reason."""
        bad = [each for each in self.found.values() if not each.mended]
        return f"of {self._files()} {len(bad)} are left out ({_counts(bad)})"

    def _refusal(self, bad: Sequence[BadFile]) -> str:
        return (
            f"{len(bad)} of {self._files()} cannot be used ({_counts(bad)}): {_list(bad)}; repair or remove them, or "
            "leave them out by bad_files=BadFiles.SKIP"
        )

    def _files(self) -> str:
        return f"{self.total} files in {self.where}" if self.total else f"the files in {self.where}"


def _counts(bad: Sequence[BadFile]) -> str:
    return ", ".join(f"{count} {reason.value}" for reason, count in Counter(each.reason for each in bad).most_common())


def _list(bad: Sequence[BadFile]) -> str:
    listed = "; ".join(map(str, bad[:_MOST_LISTED]))
    return listed if len(bad) <= _MOST_LISTED else f"{listed}; and {len(bad) - _MOST_LISTED} more"
