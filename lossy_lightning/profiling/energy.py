"""An estimate of energy from counts: so many operations and bytes, at so much each."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from lossy_lightning.core import InputError

# 45 nm at 0.9 V: multiplication and addition of float32, of float16, and of 8-bit integers; an addition of float32;
# 64 bits of a cache of 1 MiB.
_MAC = {32: 3.7 + 0.9, 16: 1.1 + 0.4, 8: 0.2 + 0.03}
_ADDITION = 0.9
_BYTE = 100 / 8


class EnergyTable(NamedTuple):
    """Picojoules of an operation and of a byte moved; replace any of them by what your own hardware takes.

    The estimate is arithmetic, not a measurement: no control, no idle time, no reuse of what was read once.

    Attributes:
        mac: Bit width of a multiply-accumulate -> picojoules. A width that is not there takes those of the next wider
            one, so 1-bit products count as 8-bit ones unless the table says better.
        addition: Picojoules of adding one value of a looked-up row.
        byte: Picojoules of moving a byte: each weight is read once, each feature written once and read once.

    Source:
        Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014, figure 1.1.9.

    Example:
        >>> round(EnergyTable().picojoules({32: 1000}, additions=0, weight_bytes=0, feature_bytes=0))
        4600
        >>> EnergyTable(mac={1: 0.01, 32: 4.6}).picojoules({1: 1000}, additions=0, weight_bytes=0, feature_bytes=0)
        10.0
    """

    mac: Mapping[int, float] = _MAC
    addition: float = _ADDITION
    byte: float = _BYTE

    def picojoules(self, macs: Mapping[int, int], additions: int, weight_bytes: int, feature_bytes: int) -> float:
        """Estimated energy of one example.

        Args:
            macs: Bit width -> multiply-accumulates, of encoder and network.
            additions: Of looked-up values.
            weight_bytes: Of all parameters at their true widths.
            feature_bytes: Of all features at their widths.

        Raises:
            ValueError: If there are wider products than the table knows.
        """
        products = sum(count * self._of_width(width) for width, count in Counter(macs).items() if count)
        return products + additions * self.addition + (weight_bytes + 2 * feature_bytes) * self.byte

    def _of_width(self, width: int) -> float:
        wider = [known for known in self.mac if known >= width]
        if not wider:
            raise InputError(
                f"the energy table knows products of {', '.join(map(str, sorted(self.mac)))} bits; got {width} bits: "
                "add them to its mac"
            )
        return self.mac[min(wider)]
