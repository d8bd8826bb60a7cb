"""What a trained network is, in numbers and words."""

import json
from typing import Any, NamedTuple

from lossy_lightning.core import InputError


class Card(NamedTuple):
    """What is known of a trained network.

    Attributes:
        title: What it does, from what.
        data: That it was trained on.
        licence: Of the data, as their owners state it.
        command: Trains the network, in the root of a checkout.
        seeds: Of codec and network, or the fold.
        accuracy: On the test examples, in percent, of these very weights.
        interval: In which the true accuracy lies with 95 %, from what chance does to so many test examples (Wilson).
        examples: Number of test examples.
        table: Mean and standard deviation of its recipe over seeds or folds, in percent, as the table in the docs says.
        macs: Multiply-accumulates of one example, by bit width.
        encoding_macs: Those of making its code, by bit width.
        bytes: Size of the file.
    """

    title: str
    data: str
    licence: str
    command: str
    seeds: str
    accuracy: float
    interval: tuple[float, float]
    examples: int
    table: tuple[float, float]
    macs: dict[int, int]
    encoding_macs: dict[int, int]
    bytes: int

    def __str__(self) -> str:
        """As text, a line each."""
        low, high = self.interval
        mean, deviation = self.table
        return "\n".join(
            [
                self.title,
                f"data: {self.data} ({self.licence})",
                f"command: {self.command}",
                f"seeds: {self.seeds}",
                f"test accuracy: {self.accuracy:.2f} % ({low:.1f} to {high:.1f}) on {self.examples} examples",
                f"its recipe over seeds or folds: {mean:.2f} ± {deviation:.2f} %",
                f"MACs: {counted(self.macs)}",
                f"MACs of making the code: {counted(self.encoding_macs)}",
                f"size: {self.bytes / 1024:.1f} KiB",
            ]
        )

    def to_json(self) -> str:
        """As a file holds it."""
        return json.dumps(self._asdict(), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Card":
        """Of what a file holds.

        Raises:
            ValueError: If it is no card.
        """
        try:
            told: dict[str, Any] = json.loads(text)
            told |= {name: {int(width): count for width, count in told[name].items()} for name in _COUNTS}
            return cls(**told | {name: tuple(told[name]) for name in ("interval", "table")})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"this is no card of a network: {text[:60]!r}") from error


_COUNTS = ("macs", "encoding_macs")


def counted(macs: dict[int, int]) -> str:
    """Multiply-accumulates by bit width, as text.

    Example:
        >>> counted({1: 4736, 32: 0})
        '4 736 of 1 bit'
    """
    return " + ".join(f"{count:,} of {width} bit".replace(",", " ") for width, count in macs.items() if count) or "0"
