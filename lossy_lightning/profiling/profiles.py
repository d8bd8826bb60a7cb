"""What a layer costs, sums of that, and a table of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Lookups(NamedTuple):
    """What table layers cost: rows read, and additions of the rows' values."""

    rows: int
    additions: int


class WeightMemory(NamedTuple):
    """Memory of all parameters in bytes.

    Attributes:
        stored: Each scalar at its true bit width.
        float32: Each scalar at 32 bits: what the same network takes without quantization.
    """

    stored: int
    float32: int

    @classmethod
    def of(cls, parameters: Counter[int]) -> "WeightMemory":
        """Memory of so many scalars of each bit width."""
        return cls(_bytes(parameters), 4 * parameters.total())


class LayerProfile(NamedTuple):
    """What one module does itself, without the modules inside it. Profiles add up to the model's totals.

    Attributes:
        name: As in `torch.nn.Module.named_modules`; empty for the model itself.
        type: Name of its class.
        output_shape: Of the first tensor that it returned, None if it was not called.
        macs: Bit width -> multiply-accumulates.
        lookups: Rows read and additions of table layers.
        parameters: Bit width -> scalars, as `count_parameters` counts them.
        features: Bit width -> values, as `feature_memory` counts them.
    """

    name: str
    type: str
    output_shape: tuple[int, ...] | None
    macs: Counter[int]
    lookups: Lookups
    parameters: Counter[int]
    features: Counter[int]

    @property
    def weight_memory(self) -> WeightMemory:
        """Bytes of the parameters."""
        return WeightMemory.of(self.parameters)

    @property
    def feature_memory(self) -> int:
        """Bytes of the features."""
        return _bytes(self.features)


class ModelProfile(NamedTuple):
    """What a model does in one forward.

    Attributes:
        layers: Profiles of the modules that compute, read or hold anything.
        unseen: Names of the operations and modules whose work could not be counted.
    """

    layers: list[LayerProfile]
    unseen: frozenset[str]


def total_profile(rows: Iterable[LayerProfile]) -> LayerProfile:
    """The sum of some profiles.

    Example:
        >>> from torch import nn, ones
        >>> from lossy_lightning.profiling import profile_layers
        >>> total_profile(profile_layers(nn.Linear(4, 3), ones(1, 4))).parameters
        Counter({32: 15})
    """
    macs, parameters, features = Counter[int](), Counter[int](), Counter[int]()
    reads = additions = 0
    for row in rows:
        macs.update(row.macs)
        parameters.update(row.parameters)
        features.update(row.features)
        reads += row.lookups.rows
        additions += row.lookups.additions
    return LayerProfile("total", "", None, macs, Lookups(reads, additions), parameters, features)


def folded_layers(rows: Sequence[LayerProfile], max_rows: int = 20) -> list[LayerProfile]:
    """Profiles of so few rows that they are seen at a glance: what is in one module is summed, the deepest first.

    Args:
        rows: Profiles of layers.
        max_rows: Of the result, unless the model itself has more children.

    Returns:
        Profiles as they are, and sums whose type is a number of layers; their output is that of the last one.

    Example:
        >>> from torch import nn, ones
        >>> from lossy_lightning.profiling import profile_layers
        >>> model = nn.Sequential(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3)), nn.Linear(3, 2))
        >>> [(row.name, row.type, row.macs[32]) for row in folded_layers(profile_layers(model, ones(1, 4)), 2)]
        [('0', '2 layers', 21), ('1', 'Linear', 6)]
    """
    depth = max((row.name.count(".") + 1 for row in rows), default=1)
    while True:
        parts: dict[str, list[LayerProfile]] = {}
        for row in rows:
            parts.setdefault(".".join(row.name.split(".")[:depth]), []).append(row)
        if len(parts) <= max_rows or depth <= 1:
            return [part[0] if len(part) == 1 else _sum(name, part) for name, part in parts.items()]
        depth -= 1


def _sum(name: str, rows: Sequence[LayerProfile]) -> LayerProfile:
    shapes = [row.output_shape for row in rows if row.output_shape is not None]
    return total_profile(rows)._replace(
        name=name, type=f"{len(rows)} layers", output_shape=shapes[-1] if shapes else None
    )


def layer_table(rows: Sequence[LayerProfile]) -> str:
    """Profiles and their total as a Markdown table, one line per layer; memory in KiB (1024 bytes).

    Example:
        >>> from torch import nn, ones
        >>> from lossy_lightning.profiling import profile_layers
        >>> table = layer_table(profile_layers(nn.Linear(4, 3), ones(1, 4)))
        >>> table.splitlines()[-1].replace("|", "").split()
        ['total', '0', '12', '0', '0', '15', '0.06', '0.01']
    """
    total = total_profile(rows)
    widths = sorted({1, 32, *total.macs})
    heads = ["layer", "type", "output", *(f"{width}-bit MACs" for width in widths), "rows read", "additions"]
    lines = [[*heads, "parameters", "weights KiB", "features KiB"]]
    for row in [*rows, total]:
        shape = "" if row.output_shape is None else "x".join(map(str, row.output_shape))
        counts = [*(row.macs[width] for width in widths), *row.lookups, row.parameters.total()]
        memory = [row.weight_memory.stored / 1024, row.feature_memory / 1024]
        lines.append(
            [row.name or "(model)", row.type, shape, *(f"{n:,}" for n in counts), *(f"{m:.2f}" for m in memory)]
        )
    columns = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * column for column in columns])
    return "\n".join(
        f"| {' | '.join(cell.ljust(n) for cell, n in zip(line, columns, strict=True))} |" for line in lines
    )


def _bytes(counts: Counter[int]) -> int:
    """Whole bytes that hold some values packed bit by bit."""
    return -(-sum(width * count for width, count in counts.items()) // 8)
