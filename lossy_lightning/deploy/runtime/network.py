"""Packed networks."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lossy_lightning import __version__
from lossy_lightning.deploy.runtime import _engine
from lossy_lightning.deploy.runtime._assembly import Assembly
from lossy_lightning.deploy.runtime._checks import check_program
from lossy_lightning.deploy.runtime.file import read_file, write_file

_LAYOUT = 1  # of files; a newer one is told apart
_PARTS = 4  # of a batch for each thread, so that none waits long for another


class Program(NamedTuple):
    """What a packed network computes, as its file holds it.

    Attributes:
        shape: Of a code, ``(C, *grid)``.
        registers: Of each its kind, positions and channels.
        steps: In order.
        fields: Of the codes; None in files of earlier versions.
    """

    shape: tuple[int, ...]
    registers: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    fields: list[dict[str, Any]] | None = None


def num_logits(program: Program) -> int:
    """Number of logits that a program makes."""
    last = program.steps[-1]["inputs"][0]
    told = program.registers[last]
    return int(told["positions"] * told["channels"])


class PackedNetwork:
    """A trained network as integers and compiled code: from codes to logits without torch.

    `lossy_lightning.deploy.pack` makes one of a trained network, `load` one of a file. Constants are laid out, and code
    is compiled or found on disk, at the first prediction.

    Args:
        program: What it computes.
        tensors: Its constants, by name.
        classes: Names of the classes, in the order of the logits.
        codec: Class path, constructor arguments and names of fitted tensors of the codec, as the file holds them; None
            if it is not known.

    Example:
        >>> import tempfile
        >>> from lossy_lightning import weights
        >>> from lossy_lightning.deploy import pack
        >>> trained = weights.load("digits-vq-lookup")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pack(trained.task, trained.task.spec, trained.classes).save(f"{folder}/digits.packed")
        ...     network = PackedNetwork.load(f"{folder}/digits.packed")  # where there is no torch, too
        >>> logits = network.predict(np.zeros((2, 1, 4, 4), np.uint8))
        >>> network.classes[:3], logits.shape
        (('0', '1', '2'), (2, 10))
    """

    def __init__(
        self,
        program: Program,
        tensors: dict[str, NDArray[Any]],
        classes: tuple[str, ...] | None = None,
        codec: dict[str, Any] | None = None,
    ) -> None:
        self.program = program
        self.tensors = tensors
        self.classes = classes
        self.codec = codec
        self._assembly: Assembly | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a code, ``(C, *grid)``."""
        return self.program.shape

    @property
    def num_classes(self) -> int:
        """Number of logits."""
        return num_logits(self.program)

    def predict(self, codes: ArrayLike, num_threads: int = 1) -> NDArray[np.float32]:
        """Logits ``(N, classes)`` of codes ``(N, C, *grid)``.

        Args:
            codes: Integers, anything that `numpy.asarray` takes.
            num_threads: Threads that share the examples of the batch; compiled code runs without the GIL.

        Raises:
            ValueError: If codes are no integers, of another shape, or out of range.
        """
        given = np.asarray(codes)
        if given.dtype.kind not in "iu" or given.shape[1:] != self.shape:
            raise ValueError(
                f"this network reads integer codes (N, {', '.join(map(str, self.shape))}); got {given.dtype} "
                f"{given.shape}: encode signals with its codec first"
            )
        if not isinstance(num_threads, int) or num_threads < 1:
            raise ValueError(f"num_threads must be an integer, at least 1; got {num_threads!r}")
        flat = given.reshape(len(given), prod(self.shape)).astype(np.int32, order="C")
        logits = np.empty((len(flat), self.num_classes), np.float32)
        laid = self._laid_out()
        parts = max(1, min(num_threads * _PARTS, len(flat) // laid.block))
        if num_threads == 1 or parts == 1:
            bad = self._run(flat, 0, len(flat), logits)
        else:
            ends = pairwise(len(flat) * part // parts for part in range(parts + 1))
            work = [_threads(num_threads, os.getpid()).submit(self._run, flat, a, b, logits) for a, b in ends]
            bad = next((found for found in [part.result() for part in work] if found >= 0), -1)
        if bad >= 0:
            raise ValueError(f"the code of example {bad} of the batch has a value out of the range of its codec")
        return logits

    def _run(self, codes: NDArray[np.int32], begin: int, end: int, logits: NDArray[np.float32]) -> int:
        laid = self._laid_out()
        return int(
            _engine.run(
                laid.table,
                codes,
                begin,
                end,
                laid.words,
                laid.ints,
                laid.reals,
                laid.num_words,
                laid.num_reals,
                laid.widest,
                laid.deepest,
                laid.block,
                laid.result,
                logits,
            )
        )

    def _laid_out(self) -> Assembly:
        if self._assembly is None:
            self._assembly = Assembly(self.program.registers, self.program.steps, self.tensors)
        return self._assembly

    def save(self, path: str | Path) -> None:
        """Write one file in the format of safetensors, without pickle.

        Raises:
            OSError: If it cannot be written; of a folder that is not there, FileNotFoundError.
        """
        told = {
            "layout": _LAYOUT,
            "version": __version__,
            "program": self.program._asdict(),
            "classes": self.classes,
            "codec": self.codec,
        }
        write_file(path, told, self.tensors)

    @classmethod
    def load(cls, path: str | Path) -> "PackedNetwork":
        """Read a file that `save` wrote.

        Raises:
            ValueError: If it is no such file, is damaged or of a newer version of this package, would compute with what
                it does not hold, or has another number of class names than of logits.
            FileNotFoundError: If there is none.
        """
        told, tensors = read_file(path)
        if told.get("layout") != _LAYOUT:
            raise ValueError(
                f"{path} was written by lossy_lightning {told.get('version')}, whose files this version, "
                f"{__version__}, cannot read: pack the network anew, or install that version"
            )
        try:
            program, classes, codec = (told[name] for name in ("program", "classes", "codec"))
            made = Program(tuple(program["shape"]), program["registers"], program["steps"], program.get("fields"))
            check_program(made.shape, made.registers, made.steps, tensors)
            classes = None if classes is None else tuple(classes)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{path} holds no network that can run, {error}: pack the network anew") from error
        if classes is not None and len(classes) != num_logits(made):
            raise ValueError(f"{path} names {len(classes)} classes, but its network makes {num_logits(made)} logits")
        return cls(made, tensors, classes, codec)


@cache
def _threads(count: int, process: int) -> ThreadPoolExecutor:
    """Threads that are kept; ``process`` is this one's number, since a forked child has none of its parent's."""
    return ThreadPoolExecutor(count, "packed")
