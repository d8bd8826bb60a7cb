"""Where the features of an example lie: registers that are no longer read make room for others."""

from typing import Any


class Memory:
    """Places of registers in two flat buffers, one of words and one of numbers.

    Args:
        registers: Of each its kind ("bits" or "reals"), positions, channels and, of bits, words of a position.
        steps: In order, each with the registers that it reads and fills.

    Attributes:
        places: Where each register begins.
        words: Length of the buffer of words.
        reals: Length of the buffer of numbers.
    """

    def __init__(self, registers: list[dict[str, Any]], steps: list[dict[str, Any]]) -> None:
        last = {register: number for number, step in enumerate(steps) for register in step["inputs"]}
        self.places: dict[int, int] = {}
        held: dict[str, dict[int, tuple[int, int]]] = {"bits": {}, "reals": {}}  # register -> begin, end
        ends = {"bits": 1, "reals": 1}
        for number, step in enumerate(steps):
            if "output" not in step:
                continue
            register = step["output"]
            told = registers[register]
            taken = held[told["kind"]]
            size = told["positions"] * self._size(told)
            begin = 0
            for start, end in sorted(taken.values()):
                if start - begin >= size:
                    break
                begin = max(begin, end)
            taken[register] = (begin, begin + size)
            self.places[register] = begin
            ends[told["kind"]] = max(ends[told["kind"]], begin + size)
            for spaces in held.values():
                for one in [one for one in spaces if last.get(one, number) <= number]:
                    del spaces[one]
        self.words, self.reals = ends["bits"], ends["reals"]

    @staticmethod
    def _size(told: dict[str, Any]) -> int:
        if told["kind"] == "reals":
            return int(told["channels"])
        return int(told.get("width", -(-told["channels"] // 64)))
