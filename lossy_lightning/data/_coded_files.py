"""Codes of files, read by whole batches."""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lossy_lightning.core import FileCodec, FileInfo, RandomKey
from lossy_lightning.data._file_checks import read_content, refused, what_is_wrong
from lossy_lightning.data._file_source import FileSource
from lossy_lightning.data._read_ahead import ReadAheadLoader
from lossy_lightning.data.bad_files import BadFile, BadFileLog, FileBatch, Mended, Reason, mended, sift
from lossy_lightning.data.source import SAMPLE
from lossy_lightning.functional import pad_codes

_FILES_AT_ONCE = 64  # lest they leave the processor's cache; a call costs as much as some small files
_BYTES_AT_ONCE = 2**20
_Code = Tensor | BadFile | Mended


class PlannedFile(NamedTuple):
    """A file of a batch, and where its crop is taken.

    Attributes:
        path: Of the file.
        target: Its class.
        number: Among the files of the split.
        place: From 0, the start, to 1, along each axis.
    """

    path: str
    target: int
    number: int
    place: tuple[float, ...]


class CodedFiles(FileSource):
    """Codes of files and their classes; a list of indices is read at once and batched.

    Args:
        files: Paths and class numbers.
        codec_of: Codec of a class.
        crop: Samples along each axis of the part that is taken; None for whole signals.
        random: Whether that part is drawn at random, for training, else it is the middle.
        num_threads: Threads that read a batch.
        max_samples: Larger signals are bad; samples of a channel.
        log: Of bad files.
    """

    loader = ReadAheadLoader

    def __init__(
        self,
        files: Sequence[tuple[str, int]],
        codec_of: Callable[[int], FileCodec],
        crop: tuple[int, ...] | None,
        random: bool,
        num_threads: int,
        max_samples: int,
        log: BadFileLog,
    ) -> None:
        super().__init__(files, log, refills=random)
        self.codec_of = codec_of
        self.crop = crop
        self.random = random
        self.num_threads = num_threads
        self.max_samples = max_samples
        self._known_strides: dict[int, tuple[int, ...]] = {}  # by the codec, which `codec_of` keeps alive
        codec = codec_of(0)
        self._channels, sizes = codec.signal_shape[0], codec.signal_shape[1:]
        spec = codec.spec((self._channels, *(sizes if crop is None else crop)))
        self._shape, self._dtype = spec.shape, np.dtype(str(spec.dtype).removeprefix("torch."))

    def content(self, index: int) -> bytes | BadFile:
        """Bytes of a file, or what is wrong with it; files may also lie in archives, whose source says so here."""
        return read_content(self.files[index][0])

    def load(self, index: int, key: RandomKey) -> tuple[Tensor, int] | BadFile | Mended:
        """A code and its class, or what is wrong with the file."""
        (planned,) = self._plan([index], key)
        (code,) = self._codes([planned], None)
        if isinstance(code, Mended):
            return code._replace(example=(code.example, planned.target))
        return code if isinstance(code, BadFile) else (code, planned.target)

    def fetch(self, indices: Sequence[int], key: RandomKey) -> Any:
        """A batch of codes and targets, and grid sizes if signals are whole; several threads may read at once.

        Returns:
            The batch, or a `FileBatch` if there are bad files.
        """
        plan = self._plan(indices, key)
        batch, bad = self._read(plan)
        for following in self.followers(indices[-1]) if plan else ():
            if batch is not None:
                break
            batch, more = self._read(self._plan([following], key))
            bad += more
        return FileBatch(batch, bad) if bad else batch

    def collate(self, batch: Any) -> Any:
        """The batch itself, which `fetch` has put together."""
        return batch

    def sample(self, indices: Sequence[int]) -> Iterator[tuple[Tensor, ...]]:
        """One batch."""
        read = self.fetch(indices, SAMPLE)
        batch, bad = read if isinstance(read, FileBatch) else (read, [])
        self.log.add(bad)
        if batch is not None:
            yield batch

    def _plan(self, indices: Sequence[int], key: RandomKey) -> list[PlannedFile]:
        axes = len(self.codec_of(0).pitch)
        places = (tuple(key.of(index).uniform(axes)) if self.random else (0.5,) * axes for index in indices)
        return [PlannedFile(*self.files[index], index, place) for index, place in zip(indices, places, strict=True)]

    def _read(self, plan: Sequence[PlannedFile]) -> FileBatch:
        rows = None if self.crop is None else self._empty(len(plan), *self._shape)
        codes = self._codes(plan, None if rows is None else rows.unbind())
        if rows is None and self.log.policy.skipped:
            _leave_out_unlike(codes, plan)
        good = [i for i, code in enumerate(codes) if not isinstance(code, BadFile)]
        read, bad = sift(codes)
        if not good:
            return FileBatch(None, bad)
        targets = torch.tensor([plan[i].target for i in good])
        if rows is None:
            code, grid_size = pad_codes(read)
            return FileBatch((code, targets, grid_size), bad)
        return FileBatch((rows if len(good) == len(plan) else rows[good], targets), bad)

    def _codes(self, plan: Sequence[PlannedFile], rows: Sequence[Tensor] | None) -> list[_Code]:
        """Code of each file, in its row if there are some, or what is wrong with it."""
        codes: list[_Code] = []
        while len(codes) < len(plan):
            codes += self._some(plan[len(codes) :], None if rows is None else rows[len(codes) :])
        return codes

    def _some(self, plan: Sequence[PlannedFile], rows: Sequence[Tensor] | None) -> list[_Code]:
        """Codes of the first files: of many small, or of few large ones, one for each thread at least."""
        codes: list[_Code] = []
        contents: dict[FileCodec, dict[int, bytes]] = {}
        total = 0
        for i, planned in enumerate(plan[: _FILES_AT_ONCE * self.num_threads]):
            if i >= self.num_threads and total > _BYTES_AT_ONCE * self.num_threads:
                break
            content = self.content(planned.number)
            if isinstance(content, BadFile):
                codes.append(content)
                continue
            codes.append(BadFile(planned.path, Reason.BROKEN, "it was not read"))
            contents.setdefault(self.codec_of(planned.target), {})[i] = content
            total += len(content)
        for codec, some in contents.items():
            self._decode(codec, some, plan, rows, codes)
        return codes

    def _decode(
        self,
        codec: FileCodec,
        contents: dict[int, bytes],
        plan: Sequence[PlannedFile],
        rows: Sequence[Tensor] | None,
        codes: list[_Code],
    ) -> None:
        """Put the codes of some files in their places."""
        filled: dict[int, Tensor] = {}
        windows: dict[int, tuple[slice, ...]] = {}
        strides = self._strides(codec)
        infos = dict(zip(contents, codec.measure(list(contents.values())), strict=True))
        damaged = {i: info for i, info in infos.items() if isinstance(info, ValueError) and self.log.policy.lenient}
        if damaged:
            infos |= zip(damaged, codec.measure([contents[i] for i in damaged], lenient=True), strict=True)
        for i, info in infos.items():
            wrong = what_is_wrong(plan[i].path, info, self.crop, self.max_samples)
            if wrong is not None or isinstance(info, ValueError):
                codes[i] = wrong or codes[i]
                continue
            window = windows[i] = self._window(codec, strides, info, plan[i].place)
            filled[i] = (
                self._empty(1, self._shape[0], *(part.stop - part.start for part in window))[0]
                if rows is None
                else rows[i]
            )
        whole = {i: row for i, row in filled.items() if i not in damaged}
        errors = damaged | self._fill(codec, contents, whole, windows, infos, lenient=False)
        again = {i: filled[i] for i in errors if i in filled} if self.log.policy.lenient else {}
        lost = self._fill(codec, contents, again, windows, infos, lenient=True)
        for i, row in filled.items():
            wrong = refused(plan[i].path, lost.get(i, errors[i]), Reason.BROKEN) if i in errors else None
            if wrong is None:
                codes[i] = row
            else:
                codes[i] = mended(row, wrong) if i in again and i not in lost else wrong

    def _fill(
        self,
        codec: FileCodec,
        contents: dict[int, bytes],
        rows: dict[int, Tensor],
        windows: dict[int, tuple[slice, ...]],
        infos: dict[int, FileInfo | ValueError],
        lenient: bool,
    ) -> dict[int, ValueError]:
        """Read some files into their rows; errors of those that cannot be read."""
        if not rows:
            return {}
        places = [windows[i] for i in rows]
        known = [info for info in map(infos.__getitem__, rows) if isinstance(info, FileInfo)]
        files = [contents[i] for i in rows]
        errors = codec.read_into(files, list(rows.values()), places, lenient, self.num_threads, known)
        return {i: error for i, error in zip(rows, errors, strict=True) if error is not None}

    def _strides(self, codec: FileCodec) -> tuple[int, ...]:
        """Positions of the grid from one possible start of a crop to the next; none if signals are whole."""
        if self.crop is None:
            return ()
        if id(codec) in self._known_strides:
            return self._known_strides[id(codec)]
        larger = tuple(crop + pitch for crop, pitch in zip(self.crop, codec.pitch, strict=True))
        grids = zip(codec.spec((self._channels, *larger)).grid, self._shape[1:], strict=True)
        strides = self._known_strides[id(codec)] = tuple((more or 0) - (size or 0) for more, size in grids)
        return strides

    def _window(
        self, codec: FileCodec, strides: tuple[int, ...], info: FileInfo, place: tuple[float, ...]
    ) -> tuple[slice, ...]:
        """The part of a file's grid that is read."""
        sizes = info.signal_shape[1:]
        if self.crop is None:
            same = self._channels in (None, info.signal_shape[0])
            grid = info.grid if same else codec.spec((self._channels, *sizes)).grid
            return tuple(slice(0, size) for size in grid)
        choices = [(size - crop) // pitch + 1 for size, crop, pitch in zip(sizes, self.crop, codec.pitch, strict=True)]
        # Codes may be longer than their share of the signal: an encoder's delay comes on top.
        window = []
        for part, count, stride, size in zip(place, choices, strides, self._shape[1:], strict=True):
            start = int(part * count) * stride
            window.append(slice(start, start + (size or 0)))
        return tuple(window)

    def _empty(self, count: int, channels: int | None, *grid: int | None) -> Tensor:
        """Room for codes, channels last in memory."""
        # NumPy's memory comes in huge pages, which cost less to touch.
        sizes = (count, *(size or 0 for size in grid), channels or 0)
        return torch.from_numpy(np.empty(sizes, self._dtype)).movedim(-1, 1)


def _leave_out_unlike(codes: list[_Code], plan: Sequence[PlannedFile]) -> None:
    """Mark as bad what makes a batch too large to pad, such as one very wide code among high ones."""
    read = {i: sift([code])[0][0] for i, code in enumerate(codes) if not isinstance(code, BadFile)}
    while len(read) > 1:
        try:
            pad_codes(list(read.values()))
            return
        except ValueError as error:
            places = {i: _places([code.shape[1:] for j, code in read.items() if j != i]) for i in read}
            unlike = min(places, key=lambda i: places[i])
            grid = " x ".join(map(str, read.pop(unlike).shape[1:]))
            message = f"its grid of {grid} is too unlike those of its batch: {error}"
            codes[unlike] = BadFile(plan[unlike].path, Reason.TOO_LARGE, message)


def _places(grids: list[tuple[int, ...]]) -> int:
    """Positions of the grid that holds all of these."""
    return prod(max(sizes) for sizes in zip(*grids, strict=True))
