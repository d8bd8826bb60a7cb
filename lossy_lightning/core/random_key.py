"""Random numbers by where they are used, never by what ran before."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Generator

_SEED_BYTES = 8


@dataclass(frozen=True)
class RandomKey:
    """Names a place that needs random numbers; the same place gives the same numbers, whatever ran before it.

    Attributes:
        path: Seed, split, epoch, purpose, example: what the place is called by.

    Example:
        >>> epoch = RandomKey((0, "train")).of(3)
        >>> torch.equal(*(torch.rand(2, generator=epoch.of("order").generator()) for _ in range(2)))
        True
    """

    path: tuple[int | str, ...]

    def of(self, *place: int | str) -> "RandomKey":
        """Key of a place within this one."""
        return RandomKey((*self.path, *place))

    def seed(self) -> int:
        """An integer of 63 bits, the same on any machine."""
        digest = blake2b(repr(self.path).encode(), digest_size=_SEED_BYTES).digest()
        return int.from_bytes(digest, "little") >> 1

    def generator(self) -> Generator:
        """A generator of torch's, on the CPU."""
        return Generator().manual_seed(self.seed())

    def uniform(self, count: int) -> list[float]:
        """Some numbers from 0 to below 1."""
        generator = random.Random(self.seed())
        return [generator.random() for _ in range(count)]

    @contextmanager
    def everywhere(self, *devices: torch.device) -> Iterator[None]:
        """Python's, NumPy's and torch's global generators start here; afterwards they are as they were before.

        It is for code that draws from them, such as a transform of torchvision's.

        Args:
            devices: Whose generators are seeded, too.
        """
        with keep_random_state(*devices):
            self.seed_globally(*devices)
            yield

    def seed_globally(self, *devices: torch.device) -> None:
        """Seed Python's, NumPy's and torch's global generators, those of some CUDA devices among them."""
        seed = self.seed()
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.default_generator.manual_seed(seed)
        for index in _cuda(devices):
            torch.cuda.default_generators[index].manual_seed(seed)


@contextmanager
def keep_random_state(*devices: torch.device) -> Iterator[None]:
    """Put the global generators back as they were, whatever is drawn within.

    Args:
        devices: Whose generators are kept, beside those of Python, NumPy and torch on the CPU.

    Example:
        >>> with keep_random_state():
        ...     first = torch.rand(1)
        >>> torch.equal(first, torch.rand(1))
        True
    """
    python, numpy, own = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = {index: torch.cuda.get_rng_state(index) for index in _cuda(devices)}
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(own)
        for index, state in cuda.items():
            torch.cuda.set_rng_state(state, index)


def random_state(*devices: torch.device) -> dict[str, Any]:
    """State of the global generators, in types that a checkpoint can hold.

    Args:
        devices: Whose generators are told, beside those of Python, NumPy and torch on the CPU.
    """
    name, keys, position, has_gauss, gauss = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": {index: torch.cuda.get_rng_state(index) for index in _cuda(devices)},
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Bring the global generators to a state that `random_state` told; devices that are not there are left out."""
    name, keys, *rest = state["numpy"]
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"].cpu())
    for index, each in state["cuda"].items():
        if index < torch.cuda.device_count():
            torch.cuda.set_rng_state(each.cpu(), index)


def _cuda(devices: tuple[torch.device, ...]) -> list[int]:
    indices = (device.index for device in devices if device.type == "cuda")
    return sorted({torch.cuda.current_device() if index is None else index for index in indices})
