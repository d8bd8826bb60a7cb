"""Checks that a program stays within its constants and features: compiled code looks at no bounds."""

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from lossy_lightning.deploy.runtime import _requirements
from lossy_lightning.deploy.runtime._assembly import OPERATIONS
from lossy_lightning.deploy.runtime._requirements import MOST, BadProgramError, register, require, size, whole

_WRONG = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)


def check_program(
    shape: Sequence[int], registers: list[dict[str, Any]], steps: list[dict[str, Any]], tensors: dict[str, np.ndarray]
) -> None:
    """Check what a file holds.

    Args:
        shape: Of a code.
        registers: As the file has them.
        steps: Likewise.
        tensors: By name.

    Raises:
        ValueError: If a step lacks a tensor, reads what no step fills, or would read or write out of bounds.
    """
    where = "its shape or registers"
    try:
        checks = _Checks(shape, registers, tensors)
        require(len(steps) > 1, "it has no steps")
        for number, step in enumerate(steps[:-1]):
            where = f"step {number}"
            where += f", {step['kind']!r}"
            checks.step(step)
        where = "the last step"
        checks.logits(steps[-1])
    except _WRONG as error:
        raise BadProgramError(f"{where}: {f'there is no {error}' if isinstance(error, KeyError) else error}") from error


class _Checks:
    """The steps of a program one after the other, and the registers that those before have filled."""

    def __init__(self, shape: Sequence[int], registers: list[dict[str, Any]], tensors: dict[str, np.ndarray]) -> None:
        self.last_place = prod(whole(one, "a size of codes", 1) for one in shape) - 1
        self.registers = [register(told) for told in registers]
        features = sum(told["positions"] * max(told["channels"], told["width"]) for told in self.registers)
        require(features < MOST, "there are too many features")
        self.filled: set[int] = set()
        self.tensor = partial(_requirements.tensor, tensors)
        self.integers = partial(_requirements.integers, tensors)
        self.rows = partial(_requirements.rows, tensors)
        self.weights = partial(_requirements.weights, tensors)
        self.kinds: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
            "encode_bits": self._encode_bits,
            "encode_reals": self._encode_reals,
            "lookup": self._lookup,
            "bit_product": self._bit_product,
            "bit_pooling": self._bit_pooling,
            "bit_gathering": self._bit_gathering,
            "bit_thresholds": self._bit_thresholds,
            "bit_reading": self._bit_reading,
            "real_product": self._real_product,
            "pooling": self._pooling,
            "elementwise": self._elementwise,
            "join": self._join,
            "gathering": self._gathering,
        }

    def step(self, step: dict[str, Any]) -> None:
        """Check one that fills a register."""
        require(step["kind"] in self.kinds, "this version has no such step")
        output = whole(step["output"], "its register", 0, len(self.registers) - 1)
        require(output not in self.filled, "a step before it fills the same register")
        self.kinds[step["kind"]](step, self.registers[output])
        self.filled.add(output)

    def logits(self, step: dict[str, Any]) -> None:
        """Check the one that says where the logits are."""
        self._read(step, "reals")

    def _encode_bits(self, step: dict[str, Any], made: dict[str, Any]) -> None:
        entries, sizes = self._codes(step, made, "bits")
        starts = self.integers(step, "starts", (entries,), 0)
        tables = self.integers(step, "tables", (None,), -(2**63), 2**63 - 1)
        require((starts + sizes <= len(tables)).all(), "starts lie beyond its tables")
        words = self.integers(step, "at", (entries,), 0, made["width"] - 1)
        require((np.diff(words) >= 0).all(), "its words are not in order")
        self.integers(step, "shifts", (entries,), 0, 63)

    def _encode_reals(self, step: dict[str, Any], made: dict[str, Any]) -> None:
        entries, sizes = self._codes(step, made, "reals")
        at, lengths = self.integers(step, "at", (entries,), 0), np.ones(entries, np.int64)
        if "tables" in step["tensors"]:
            lengths, starts = (self.integers(step, role, (entries,), 0) for role in ("lengths", "starts"))
            held = len(self.tensor(step, "tables", (None,), "f"))
            require((starts + sizes * lengths <= held).all(), "starts lie beyond its tables")
        require((at + lengths <= made["channels"]).all(), "it fills more channels than there are")

    def _lookup(self, step: dict[str, Any], made: dict[str, Any]) -> None:
        require(not step["inputs"] and made["kind"] == "reals", "it makes other values")
        places = self.integers(step, "places", (made["positions"], None), -1, self.last_place)
        starts = self.rows(step, "starts", len(places), places.shape[1], "iu").astype(np.int64)
        low, high = (whole(step[name], name, -MOST) for name in ("low", "high"))
        rows = self.weights(step, (None, made["channels"]))
        used = np.broadcast_to(starts, places.shape)[places >= 0]
        require(low <= high and (used + low >= 0).all() and (used + high < rows).all(), "starts lie beyond its table")
        whole(0 if step["absent"] is None else step["absent"], "absent", -MOST)

    def _bit_product(self, step: dict[str, Any], made: dict[str, Any]) -> None:
        read, num_taps = self._sees(step, made, "bits")
        depth = self.tensor(step, "signs", (made["channels"], num_taps, None), "b").shape[2]
        self._grouped(step, read, made, depth)
        several = "thresholds" in step["tensors"]
        require(made["kind"] == ("bits" if several else "reals"), "it makes other values")
        if several:
            self.rows(step, "thresholds", made["positions"], made["channels"], "iu")
            _in_order(made)

    def _bit_pooling(self, step: dict[str, Any], made: dict[str, Any]) -> None:
        read, _ = self._sees(step, made, "bits")
        _alike(read, made, "channels", "width", "slots")
        self.tensor(step, "flips", (read["channels"],), "b")

    def _bit_gathering(self, step: dict[str, Any], made: dict[str, Any]) -> None:
        read = self._read(step, "bits")
        _alike(read, made, "channels", "width", "slots")
        self.integers(step, "places", (made["positions"],), -1, read["positions"] - 1)
        self.tensor(step, "fill", (read["channels"],), "b")

    def _bit_thresholds(self, step: dict[str, Any], made: dict[str, Any]) -> None:
        _alike(self._read(step, "reals") | {"kind": "bits"}, made, "positions", "channels")
        _in_order(made)
        several = len(self.rows(step, "thresholds", made["positions"], made["channels"], "f"))
        self.tensor(step, "flips", (several, made["channels"]), "b")

    def _bit_reading(self, step: dict[str, Any], made: dict[str, Any]) -> None:
        _alike(self._read(step, "bits") | {"kind": "reals"}, made, "positions", "channels")
        self.tensor(step, "values", (made["channels"], 2), "f")

    def _real_product(self, step: dict[str, Any], made: dict[str, Any]) -> None:
        read, num_taps = self._sees(step, made, "reals")
        require(made["kind"] == "reals", "it makes other values")
        depth = read["channels"] // whole(step["groups"], "groups", 1)
        self._grouped(step, read, made, depth)
        self.weights(step, (made["channels"], num_taps, depth))
        if "bias" in step["tensors"]:
            self.tensor(step, "bias", (made["channels"],), "f")

    def _pooling(self, step: dict[str, Any], made: dict[str, Any]) -> None:
        read, _ = self._sees(step, made, "reals")
        _alike(read, made, "channels")
        fits = isinstance(step["divisor"], (int, float)) and 0 <= step["divisor"] < MOST
        require(fits, f"divisor is {step['divisor']!r}")

    def _elementwise(self, step: dict[str, Any], made: dict[str, Any]) -> None:
        _alike(self._read(step, "reals"), made, "positions", "channels")
        self._operation(step)
        for role in ("first", "second"):
            if role == "first" or role in step["tensors"]:
                several, each = self.tensor(step, role, (None, None), "f").shape
                fits = several in (1, made["positions"]) and each in (1, made["channels"])
                require(fits, f"{role} is of another size")

    def _join(self, step: dict[str, Any], made: dict[str, Any]) -> None:
        require(len(step["inputs"]) == 2, "it joins two registers")
        for one in step["inputs"]:
            _alike(self._read({"inputs": [one]}, "reals"), made, "positions", "channels")
        self._operation(step)

    def _gathering(self, step: dict[str, Any], made: dict[str, Any]) -> None:
        read, shape = self._read(step, "reals"), (made["positions"], made["channels"])
        require(made["kind"] == "reals", "it makes other values")
        places = self.integers(step, "places", shape, -1, size(read) - 1)
        if (places < 0).any():
            self.tensor(step, "fill", shape, "f")

    def _read(self, step: dict[str, Any], kind: str) -> dict[str, Any]:
        """The register that it reads."""
        require(len(step["inputs"]) == 1, "it reads one register")
        (number,) = step["inputs"]
        require(number in self.filled, f"no step before it fills register {number}")
        require(self.registers[number]["kind"] == kind, "it reads other values")
        read: dict[str, Any] = self.registers[number]
        return read

    def _codes(self, step: dict[str, Any], made: dict[str, Any], kind: str) -> tuple[int, np.ndarray]:
        """How many codes a position has, and how many values each of them."""
        require(not step["inputs"] and made["kind"] == kind, "it makes other values")
        entries = self.integers(step, "places", (made["positions"], None), 0, self.last_place).shape[1]
        require(entries > 0, "it reads no codes")
        self.integers(step, "lows", (entries,))
        return entries, self.integers(step, "sizes", (entries,), 1)

    def _sees(self, step: dict[str, Any], made: dict[str, Any], kind: str) -> tuple[dict[str, Any], int]:
        """The register that a convolution or pooling reads, and its taps."""
        read, told, positions = self._read(step, kind), step["geometry"], 1
        names = ("grid", "kernel", "stride", "padding", "dilation")
        for numbers in zip(*(told[name] for name in names), strict=True):
            one, kernel, stride, padding, dilation = (
                whole(number, name, name != "padding", 2**24) for name, number in zip(names, numbers, strict=True)
            )
            positions *= max(0, (one + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)
        require(prod(told["grid"]) == read["positions"], "its grid is of another size than what it reads")
        require(positions == made["positions"], "it makes another number of positions")
        num_taps = prod(told["kernel"])
        require(num_taps * positions * max(1, read["width"]) < MOST, "it is too large")
        return read, num_taps

    def _grouped(self, step: dict[str, Any], read: dict[str, Any], made: dict[str, Any], depth: int) -> None:
        groups = whole(step["groups"], "groups", 1)
        fits = made["channels"] % groups == 0 and groups * depth == read["channels"]
        require(fits, f"{groups} groups of {depth} channels do not fit {read['channels']} and {made['channels']}")

    def _operation(self, step: dict[str, Any]) -> None:
        require(step["operation"] in OPERATIONS, f"this version has no operation {step['operation']!r}")


def _alike(read: dict[str, Any], made: dict[str, Any], *names: str) -> None:
    same = all(read.get(name) == made.get(name) for name in ("kind", *names))
    require(same, "what it reads is of another kind or size than what it makes")


def _in_order(made: dict[str, Any]) -> None:
    require("slots" not in made and made["width"] == -(-made["channels"] // 64), "its bits are not in order")
