"""From the steps of a file to flat buffers that compiled code runs on."""

from typing import Any

import numpy as np

from lossy_lightning.deploy.runtime import _engine
from lossy_lightning.deploy.runtime._arranging import apart, in_tiles, limits, read_at, side_by_side
from lossy_lightning.deploy.runtime._memory import Memory
from lossy_lightning.deploy.runtime._taps import taps
from lossy_lightning.deploy.runtime._tiles import NARROWEST, TILES

OPERATIONS = ("multiply", "add", "affine", "leaky", "clamp", "round", "divide", "subtract")
_NEVER = np.int32(2**31 - 1)
_CACHED = 2**15  # bytes of features


class Assembly:
    """A program in flat buffers.

    Args:
        registers: Of each register its kind, positions and channels, as the file has them.
        steps: As the file has them.
        tensors: By name.

    Attributes:
        table: Steps ``(steps, 16)`` int64.
        words: Constants of bits.
        ints: Whole constants.
        reals: Real constants.
        memory: Where registers lie.
        result: Where the logits lie among the numbers.
        num_words: Words of an example's features, with zeros that stand for what is off a grid.
        num_reals: Numbers of an example's features, likewise.
        block: Examples whose features fit into the cache together.
        widest: Greatest number of outputs of a layer.
        deepest: Greatest number of words or numbers that an output position sees.
    """

    def __init__(
        self, registers: list[dict[str, Any]], steps: list[dict[str, Any]], tensors: dict[str, np.ndarray]
    ) -> None:
        self.registers = registers
        self.tensors = tensors
        self.memory = Memory(registers, steps)
        self._words: list[np.ndarray] = []
        self._ints: list[np.ndarray] = []
        self._reals: list[np.ndarray] = []
        self.widest = self.deepest = 8
        writers = {
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
        rows = [writers[step["kind"]](step) for step in steps[:-1]]
        self.table = np.zeros((len(rows), 16), np.int64)
        for row, numbers in zip(self.table, rows, strict=True):
            row[: len(numbers)] = numbers
        self.num_words, self.num_reals = (
            self.memory.words + self._zeros("bits"),
            self.memory.reals + self._zeros("reals"),
        )
        self.block = max(1, min(64, _CACHED // (8 * self.num_words + 4 * self.num_reals)))
        self.result = self.memory.places[steps[-1]["inputs"][0]]
        self.words = np.concatenate([*self._words, np.zeros(1, np.uint64)])
        self.ints = np.concatenate([*self._ints, np.zeros(1, np.int32)])
        self.reals = np.concatenate([*self._reals, np.zeros(1, np.float32)])

    def _zeros(self, kind: str) -> int:
        """Greatest size of a position: so many zeros stand for those off a grid."""
        registers = range(len(self.registers))
        of_kind = [one for one in registers if self.registers[one]["kind"] == kind]
        sizes = [self._width(one) if kind == "bits" else self.registers[one]["channels"] for one in of_kind]
        return max(sizes, default=0)

    def _tensor(self, step: dict[str, Any], role: str) -> np.ndarray | None:
        name = step["tensors"].get(role)
        return None if name is None else self.tensors[name]

    def _given(self, step: dict[str, Any], role: str) -> np.ndarray:
        return self.tensors[step["tensors"][role]]

    def _add(self, where: list[np.ndarray], array: np.ndarray, dtype: Any) -> int:
        """Append constants; returns where they begin."""
        start = sum(map(len, where))
        where.append(np.ascontiguousarray(array, dtype).ravel())
        return start

    def _add_ints(self, array: np.ndarray) -> int:
        return self._add(self._ints, array, np.int32)

    def _add_reals(self, array: np.ndarray) -> int:
        return self._add(self._reals, array, np.float32)

    def _width(self, register: int) -> int:
        told = self.registers[register]
        return int(told.get("width", -(-told["channels"] // 64)))

    def _packed(self, register: int, bits: np.ndarray) -> np.ndarray:
        """Bits ``(..., channels)`` as words ``(..., width)`` of a register's positions."""
        told, width = self.registers[register], self._width(register)
        spread = np.zeros((*bits.shape[:-1], width * 64), np.bool_)
        spread[..., told.get("slots", slice(0, told["channels"]))] = bits
        words: np.ndarray = np.packbits(spread, axis=-1, bitorder="little").view(np.uint64)
        return words

    def _places(self, step: dict[str, Any]) -> tuple[int, int]:
        sources = [self.memory.places[one] for one in step["inputs"]]
        return (sources[0] if sources else 0), self.memory.places[step["output"]]

    def _encode_bits(self, step: dict[str, Any]) -> list[int]:
        places, tables = self._given(step, "places"), self._given(step, "tables")
        starts, sizes, lows = (self._given(step, role).astype(np.int64) for role in ("starts", "sizes", "lows"))
        start = self._add(self._words, tables.astype(np.int64).view(np.uint64), np.uint64)
        ends = np.searchsorted(self._given(step, "at"), np.arange(self._width(step["output"])), side="right")
        shifts = self._given(step, "shifts").astype(np.int64)
        told = [self._add_ints(each) for each in (places, starts + start, sizes, lows, ends, shifts)]
        _, target = self._places(step)
        bits = apart(tables, starts, sizes, lows, shifts)
        return [_engine.ENCODE_BITS, 0, target, *places.shape, len(ends), *told, bits]

    def _encode_reals(self, step: dict[str, Any]) -> list[int]:
        places, tables = self._given(step, "places"), self._tensor(step, "tables")
        starts = -1
        if tables is not None:
            starts = self._add_ints(self._given(step, "starts").astype(np.int64) + self._add_reals(tables))
        told = [self._add_ints(places), starts]
        told += [self._add_ints(self._given(step, role)) for role in ("sizes", "lows", "at")]
        lengths = self._tensor(step, "lengths")
        told.append(0 if lengths is None else self._add_ints(lengths))
        _, target = self._places(step)
        return [_engine.ENCODE_REALS, 0, target, *places.shape, self.registers[step["output"]]["channels"], *told]

    def _weights(self, step: dict[str, Any]) -> np.ndarray:
        """Weights as float32, whatever they are stored as."""
        for role in ("weights", "numbers"):
            found = self._tensor(step, role)
            if found is not None:
                break
        else:
            found = np.where(self._given(step, "signs"), 1, -1)
        found = found.astype(np.float32)
        scale = self._tensor(step, "scale")
        if scale is None:
            return found
        scale = np.repeat(scale, len(found) // len(scale))
        scaled: np.ndarray = found * scale.reshape(-1, *[1] * (found.ndim - 1))
        return scaled

    def _lookup(self, step: dict[str, Any]) -> list[int]:
        places, starts, table = self._given(step, "places"), self._given(step, "starts"), self._weights(step)
        _, target = self._places(step)
        absent = -_NEVER if step["absent"] is None else step["absent"]
        per_position = starts.shape[1] if len(starts) > 1 else 0
        return [
            *(_engine.LOOKUP, 0, target, *places.shape, table.shape[1], self._add_ints(places)),
            *(self._add_ints(starts), per_position, self._add_reals(table), step["low"], step["high"], absent),
        ]

    def _bit_product(self, step: dict[str, Any]) -> list[int]:
        source, target = self._places(step)
        signs, seen = self._given(step, "signs"), taps(step["geometry"])
        outputs, num_taps, depth = signs.shape
        groups, register = step["groups"], step["inputs"][0]
        width, channels = self._width(register), self.registers[register]["channels"]
        full = np.zeros((-(-outputs // NARROWEST) * NARROWEST, num_taps, channels), np.bool_)
        mask = np.zeros_like(full)
        for group in range(groups):
            own = slice(group * outputs // groups, (group + 1) * outputs // groups)
            full[own, :, group * depth : (group + 1) * depth] = signs[own]
            mask[own, :, group * depth : (group + 1) * depth] = True
        span = self._span(register) if groups == 1 else 64
        rows = [self._packed(register, each).reshape(len(full), -1) for each in (full, mask)]
        if span <= 32:
            rows[0] = side_by_side(rows[0], span)
        weights = self._add(self._words, in_tiles(rows[0].T, TILES if groups == 1 else (NARROWEST,)), np.uint64)
        masks = self._add(self._words, in_tiles(rows[1].T, (NARROWEST,)), np.uint64) if groups > 1 else -1
        self.widest = max(self.widest, -(-outputs // 64) * 64)
        self.deepest = max(self.deepest, rows[0].shape[1])
        thresholds = self._tensor(step, "thresholds")
        table, row = limits(thresholds, seen < 0, signs)
        whole = np.full((len(table), -(-outputs // 64) * 64), _NEVER, np.int64)
        whole[:, :outputs] = table
        limits_at = self._add_ints(self._add_ints(whole) + row * whole.shape[1])
        kinds = (self._width(step["output"]), 0) if thresholds is not None else (0, outputs)
        return [
            *(_engine.BIT_PRODUCT, source, target, *seen.shape, width, span if span <= 32 else 0, len(full)),
            *(self._add_ints(read_at(seen, source, width, self.memory.words)), weights, masks, limits_at),
            *(*kinds, num_taps * depth, rows[0].shape[1]),
        ]

    def _span(self, register: int) -> int:
        """Bits up to the last channel of a position of one word; 64 of more words."""
        told = self.registers[register]
        slots = told.get("slots", range(told["channels"]))
        return int(max(slots)) + 1 if self._width(register) == 1 else 64

    def _bit_pooling(self, step: dict[str, Any]) -> list[int]:
        source, target = self._places(step)
        seen = taps(step["geometry"])
        flips = self._add(self._words, self._packed(step["inputs"][0], self._given(step, "flips")), np.uint64)
        width = self._width(step["output"])
        return [_engine.BIT_POOLING, source, target, *seen.shape, width, self._add_ints(seen), flips]

    def _bit_gathering(self, step: dict[str, Any]) -> list[int]:
        source, target = self._places(step)
        places = self._given(step, "places")
        fill = self._add(self._words, self._packed(step["inputs"][0], self._given(step, "fill")), np.uint64)
        return [
            *(_engine.BIT_GATHERING, source, target, len(places), self._width(step["output"])),
            *(self._add_ints(places), fill),
        ]

    def _bit_thresholds(self, step: dict[str, Any]) -> list[int]:
        source, target = self._places(step)
        thresholds, flips = self._given(step, "thresholds"), self._given(step, "flips")
        told, width = self.registers[step["output"]], self._width(step["output"])
        several = len(thresholds) > 1
        return [
            *(_engine.BIT_THRESHOLDS, source, target, told["positions"], told["channels"], width),
            *(self._add_reals(thresholds), told["channels"] if several else 0),
            *(self._add(self._words, self._packed(step["output"], flips), np.uint64), width if several else 0),
        ]

    def _bit_reading(self, step: dict[str, Any]) -> list[int]:
        source, target = self._places(step)
        told = self.registers[step["output"]]
        width = self._width(step["inputs"][0])
        values = self._add_reals(self._given(step, "values"))
        return [_engine.BIT_READING, source, target, told["positions"], told["channels"], width, values]

    def _real_product(self, step: dict[str, Any]) -> list[int]:
        source, target = self._places(step)
        weights, seen, groups = self._weights(step), taps(step["geometry"]), step["groups"]
        outputs, num_taps, depth = weights.shape
        bias = self._tensor(step, "bias")
        made = outputs // groups
        rounded = -(-made // NARROWEST) * NARROWEST
        grouped = np.zeros((groups, num_taps * depth + 1, rounded), np.float32)  # the last row is the bias
        grouped[:, :-1, :made] = weights.reshape(groups, made, -1).transpose(0, 2, 1)
        grouped[:, -1, :made] = 0 if bias is None else bias.reshape(groups, made)
        self.widest = max(self.widest, rounded)
        self.deepest = max(self.deepest, num_taps * depth)
        at = read_at(seen, source, depth * groups, self.memory.reals)
        return [
            *(_engine.REAL_PRODUCT, source, target, *seen.shape, depth * groups, outputs, groups, self._add_ints(at)),
            self._add_reals(np.concatenate([in_tiles(group[:-1], TILES) for group in grouped])),
            *(self._add_reals(grouped[:, -1]), depth, made),
        ]

    def _pooling(self, step: dict[str, Any]) -> list[int]:
        source, target = self._places(step)
        seen, channels = taps(step["geometry"]), self.registers[step["output"]]["channels"]
        return [_engine.POOLING, source, target, *seen.shape, channels, self._add_ints(seen), int(step["divisor"])]

    def _elementwise(self, step: dict[str, Any]) -> list[int]:
        source, target = self._places(step)
        told = self.registers[step["output"]]
        first, second = self._given(step, "first"), self._tensor(step, "second")
        both = [first, first if second is None else second]
        rows = max(map(len, both))
        starts = [self._add_reals(np.broadcast_to(each, (rows, told["channels"]))) for each in both]
        kind = OPERATIONS.index(step["operation"])
        size = told["channels"] if rows > 1 else 0
        return [_engine.ELEMENTWISE, source, target, told["positions"], told["channels"], kind, *starts, size]

    def _join(self, step: dict[str, Any]) -> list[int]:
        one, other = (self.memory.places[each] for each in step["inputs"])
        told = self.registers[step["output"]]
        size, kind = told["positions"] * told["channels"], OPERATIONS.index(step["operation"])
        return [_engine.ADDITION, one, other, self.memory.places[step["output"]], size, kind]

    def _gathering(self, step: dict[str, Any]) -> list[int]:
        source, target = self._places(step)
        places, fill = self._given(step, "places").ravel().astype(np.int64), self._tensor(step, "fill")
        start = 0 if fill is None else self._add_reals(fill)
        follows = np.where(places[:-1] >= 0, places[1:] == places[:-1] + 1, places[1:] < 0)
        heads = np.flatnonzero(np.concatenate([[True], ~follows]))
        runs = np.stack([places[heads], np.diff(heads, append=len(places))], 1)
        return [_engine.GATHERING, source, target, len(runs), self._add_ints(runs), start]
