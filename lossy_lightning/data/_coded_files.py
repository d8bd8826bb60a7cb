"""Codes of files, read by whole batches."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lossy_lightning.bitstream import read_file
from lossy_lightning.core import FileCodec, FileInfo, InputError, RandomKey
from lossy_lightning.data._read_ahead import ReadAheadLoader
from lossy_lightning.data.source import SAMPLE, Source, drawn_key
from lossy_lightning.functional import pad_codes

_FILES_AT_ONCE = 64  # lest they leave the processor's cache; a call costs as much as some small files
_BYTES_AT_ONCE = 2**20
_NOT_READ = InputError("it was not read")


class PlannedFile(NamedTuple):
    """A file of a batch, and where its crop is taken.

    Attributes:
        path: Of the file.
        target: Its class.
        place: From 0, the start, to 1, along each axis.
    """

    path: str
    target: int
    place: tuple[float, ...]


class CodedFiles(Source):
    """Codes of files and their classes; a list of indices is read at once and batched.

    Args:
        files: Paths and class numbers.
        codec_of: Codec of a class.
        crop: Samples along each axis of the part that is taken; None for whole signals.
        random: Whether that part is drawn at random, else it is the middle.
        num_threads: Threads that read a batch.
        lenient: Whether files that are cut off are read as far as they go.
        skipped: List of the paths of files that cannot be read and are left out, with one warning each; None if such a
            file is an error.
    """

    loader = ReadAheadLoader

    def __init__(
        self,
        files: Sequence[tuple[str, int]],
        codec_of: Callable[[int], FileCodec],
        crop: tuple[int, ...] | None,
        random: bool,
        num_threads: int,
        lenient: bool,
        skipped: list[str] | None,
    ) -> None:
        self.files = files
        self.codec_of = codec_of
        self.crop = crop
        self.random = random
        self.num_threads = num_threads
        self.lenient = lenient
        self.skipped = skipped
        codec = codec_of(0)
        self._channels, sizes = codec.signal_shape[0], codec.signal_shape[1:]
        spec = codec.spec((self._channels, *(sizes if crop is None else crop)))
        self._shape, self._dtype = spec.shape, np.dtype(str(spec.dtype).removeprefix("torch."))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        (planned,) = self.plan([index], drawn_key())
        (code,) = self._codes([planned], None)
        if isinstance(code, ValueError):
            raise _named(planned.path, code) from code
        return code, planned.target

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        return self.fetch(indices, drawn_key())

    def fetch(self, indices: Sequence[int], key: RandomKey) -> tuple[Tensor, ...]:
        """One batch; several threads may read at once."""
        return self.read(self.plan(indices, key))

    def collate(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The batch itself, which `fetch` has put together."""
        return batch

    def sample(self, indices: Sequence[int]) -> Iterator[tuple[Tensor, ...]]:
        """One batch."""
        yield self.fetch(indices, SAMPLE)

    def describe(self, index: int) -> str:
        """Path of the file."""
        return self.files[index][0]

    def plan(self, indices: Sequence[int], key: RandomKey) -> list[PlannedFile]:
        """What to read for a batch; places are drawn here."""
        axes = len(self.codec_of(0).pitch)
        places = (tuple(key.of(index).uniform(axes)) if self.random else (0.5,) * axes for index in indices)
        return [PlannedFile(*self.files[index], place) for index, place in zip(indices, places, strict=True)]

    def read(self, plan: Sequence[PlannedFile]) -> tuple[Tensor, ...]:
        """A batch of codes and targets, and grid sizes if signals are whole."""
        batch = None if self.crop is None else self._empty(len(plan), *self._shape)
        codes = self._codes(plan, None if batch is None else batch.unbind())
        good = [i for i, code in enumerate(codes) if not self._is_skipped(plan[i].path, code)]
        if not good:
            raise InputError(f"none of the {len(plan)} files of a batch can be read; check the folder")
        targets = torch.tensor([plan[i].target for i in good])
        if batch is None:
            code, grid_size = pad_codes([code for code in codes if isinstance(code, Tensor)])
            return code, targets, grid_size
        return (batch if len(good) == len(plan) else batch[good]), targets

    def _is_skipped(self, path: str, code: Tensor | ValueError) -> bool:
        if not isinstance(code, ValueError):
            return False
        if self.skipped is None:
            raise _named(path, code) from code
        if path not in self.skipped:
            self.skipped.append(path)
            warnings.warn(f"{path} is skipped ({len(self.skipped)} so far): {code}", stacklevel=2)
        return True

    def _codes(self, plan: Sequence[PlannedFile], rows: Sequence[Tensor] | None) -> list[Tensor | ValueError]:
        """Code of each file, in its row if there are some, or what is wrong with it."""
        codes: list[Tensor | ValueError] = []
        while len(codes) < len(plan):
            codes += self._some(plan[len(codes) :], None if rows is None else rows[len(codes) :])
        return codes

    def _some(self, plan: Sequence[PlannedFile], rows: Sequence[Tensor] | None) -> list[Tensor | ValueError]:
        """Codes of the first files: of many small, or of few large ones, one for each thread at least."""
        codes: list[Tensor | ValueError] = []
        contents: dict[FileCodec, dict[int, bytes]] = {}
        total = 0
        for i, planned in enumerate(plan[: _FILES_AT_ONCE * self.num_threads]):
            if i >= self.num_threads and total > _BYTES_AT_ONCE * self.num_threads:
                break
            try:
                content = read_file(planned.path)
            except OSError as error:
                codes.append(InputError(f"it cannot be opened: {error.strerror}"))
                continue
            codes.append(_NOT_READ)
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
        codes: list[Tensor | ValueError],
    ) -> None:
        """Put the codes of some files in their places."""
        filled: dict[int, Tensor] = {}
        windows = []
        strides = self._strides(codec)
        for i, info in zip(contents, codec.measure(list(contents.values())), strict=True):
            window = info if isinstance(info, ValueError) else self._window(codec, strides, info, plan[i].place)
            if isinstance(window, ValueError):
                codes[i] = window
                continue
            windows.append(window)
            filled[i] = (
                self._empty(1, self._shape[0], *(part.stop - part.start for part in window))[0]
                if rows is None
                else rows[i]
            )
        errors = codec.read_into(
            [contents[i] for i in filled], list(filled.values()), windows, self.lenient, self.num_threads
        )
        for (i, row), error in zip(filled.items(), errors, strict=True):
            codes[i] = row if error is None else error

    def _strides(self, codec: FileCodec) -> tuple[int, ...]:
        """Positions of the grid from one possible start of a crop to the next; none if signals are whole."""
        if self.crop is None:
            return ()
        larger = tuple(crop + pitch for crop, pitch in zip(self.crop, codec.pitch, strict=True))
        grids = zip(codec.spec((self._channels, *larger)).grid, self._shape[1:], strict=True)
        return tuple((more or 0) - (size or 0) for more, size in grids)

    def _window(
        self, codec: FileCodec, strides: tuple[int, ...], info: FileInfo, place: tuple[float, ...]
    ) -> tuple[slice, ...] | ValueError:
        """The part of a file's grid that is read."""
        sizes = info.signal_shape[1:]
        if self.crop is None:
            same = self._channels in (None, info.signal_shape[0])
            grid = info.grid if same else codec.spec((self._channels, *sizes)).grid
            return tuple(slice(0, size) for size in grid)
        choices = [(size - crop) // pitch + 1 for size, crop, pitch in zip(sizes, self.crop, codec.pitch, strict=True)]
        if min(choices) < 1:
            return InputError(
                f"the signal has {' x '.join(map(str, sizes))} samples, less than the crop of "
                f"{' x '.join(map(str, self.crop))}"
            )
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


def _named(path: str, error: ValueError) -> ValueError:
    return InputError(f"{path}: {error}; repair or remove it, or use skip_bad=True")
