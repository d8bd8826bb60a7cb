"""Integers to bits and back, by range coding with tables of whole numbers."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.core import InputError

_TOTAL = 2**20


def whole_table(probabilities: Tensor) -> Tensor:
    """Frequencies ``(tables, values)`` int32 of probabilities, each at least 1, that add up to 2^20 in each table."""
    free = _TOTAL - probabilities.shape[1]
    table = torch.floor(probabilities / probabilities.sum(1, keepdim=True) * free).to(torch.int32) + 1
    most = table.argmax(1, keepdim=True)
    return table.scatter_add_(1, most, _TOTAL - table.sum(1, keepdim=True, dtype=torch.int32))


def least_bits(tables: Tensor) -> Tensor:
    """Bits that a value takes at least by each table ``(tables, values)``, those of its most likely one; float64."""
    step = 2.0**-23  # the library's own probabilities are multiples of 2^-24, a rounding or two away
    return -(tables.amax(1).double() / _TOTAL + step).log2()


class RangeWriter:
    """Codes integers, each with one of several tables."""

    def __init__(self) -> None:
        self._encoder: Any = _library().stream.queue.RangeEncoder()

    def write(self, values: Tensor, which: Tensor, tables: Tensor, most: int) -> None:
        """Add integers from -most to most; ``which`` names the table of each, ``(values,)``."""
        symbols = (values.flatten().to(torch.int32) + most).numpy()
        for model, places in _groups(which, tables):
            self._encoder.encode(symbols[places], model)

    def data(self) -> bytes:
        """What has been written."""
        compressed: NDArray[np.uint32] = self._encoder.get_compressed()
        return compressed.astype("<u4").tobytes()


class RangeReader:
    """Reads what `RangeWriter` wrote, in the same order.

    Raises:
        ValueError: If the bytes are no whole number of words.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) % 4:
            raise InputError(f"range-coded values take a multiple of 4 bytes; got {len(data)}: the file is damaged")
        self._decoder: Any = _library().stream.queue.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))

    def read(self, which: Tensor, tables: Tensor, most: int) -> Tensor:
        """Integers int32 whose tables ``which`` names, of its shape.

        Raises:
            ValueError: If the bytes are not what these tables write.
        """
        symbols = np.empty(which.numel(), np.int32)
        for model, places in _groups(which, tables):
            try:
                symbols[places] = self._decoder.decode(model, len(places))
            except (AssertionError, ValueError) as error:
                raise InputError("the values in the file are damaged: no table of this codec writes them") from error
        return torch.from_numpy(symbols).view(which.shape) - most


def _groups(which: Tensor, tables: Tensor) -> list[tuple[Any, NDArray[np.intp]]]:
    """Table by table, where its values stand: one call each in place of one a value."""
    flat = which.flatten().numpy()
    order = np.argsort(flat, kind="stable")
    numbers, starts = np.unique(flat[order], return_index=True)
    parts = np.split(order, starts)[1:]
    probabilities = tables[torch.from_numpy(numbers).long()].double().numpy() / _TOTAL
    categorical = _library().stream.model.Categorical
    return [(categorical(row, perfect=False), part) for row, part in zip(probabilities, parts, strict=True)]


def _library() -> Any:
    try:
        import constriction
    except ImportError as error:
        raise InputError(
            "bytes of learned codecs need the library constriction: pip install 'lossy-lightning[learned]'"
        ) from error
    return constriction
