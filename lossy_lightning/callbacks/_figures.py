"""The names and values that `ComplexityMonitor` logs."""

from collections import Counter

from lossy_lightning.profiling import EnergyTable, LayerProfile, total_profile


def scalars(rows: list[LayerProfile], examples: int = 1) -> dict[str, float]:
    """The logged names and values of some profiles, as `ComplexityMonitor` lists them, in the mean over the examples.

    Example:
        >>> from torch import nn, ones
        >>> from lossy_lightning.profiling import profile_layers
        >>> scalars(profile_layers(nn.Linear(4, 3), ones(1, 4)))["macs/32bit"]
        12.0
    """
    total = total_profile(rows)
    weights = total.weight_memory
    work = (
        {f"macs/{width}bit": total.macs[width] for width in sorted({1, 32, *total.macs})}
        | {"lookups/rows": total.lookups.rows, "lookups/additions": total.lookups.additions}
        | {"memory/features_bytes": total.feature_memory}
    )
    held = {f"parameters/{width}bit": total.parameters[width] for width in sorted({1, 32, *total.parameters})} | {
        "memory/weights_bytes": weights.stored,
        "memory/weights_float32_bytes": weights.float32,
    }
    return {name: value / examples for name, value in work.items()} | {k: float(value) for k, value in held.items()}


def encoding_scalars(rows: list[LayerProfile], encoding: Counter[int] | None, examples: int = 1) -> dict[str, float]:
    """The logged names and values of making the code, and of all from sensor to label; none if that is not known.

    Example:
        >>> from torch import nn, ones
        >>> from lossy_lightning.profiling import profile_layers
        >>> rows = profile_layers(nn.Linear(4, 3), ones(1, 4))
        >>> encoding_scalars(rows, Counter({32: 8}))["macs/sensor_to_label/32bit"]
        20.0
    """
    if encoding is None:
        return {}
    own = total_profile(rows).macs
    return {f"macs/encoding/{width}bit": float(encoding[width]) for width in sorted({32, *encoding})} | {
        f"macs/sensor_to_label/{width}bit": encoding[width] + own[width] / examples
        for width in sorted({1, 32, *encoding, *own})
    }


def energy_of(table: EnergyTable, rows: list[LayerProfile], encoding: Counter[int] | None, examples: int = 1) -> float:
    """Picojoules of one example by a table, with those of making the code if it is known.

    Example:
        >>> from torch import nn, ones
        >>> from lossy_lightning.profiling import profile_layers
        >>> rows = profile_layers(nn.Linear(4, 3, bias=False), ones(1, 4))
        >>> energy_of(EnergyTable(mac={32: 1.0}, byte=0.0), rows, Counter({32: 8}))
        20.0
    """
    total = total_profile(rows)
    work = table.picojoules(total.macs, total.lookups.additions, 0, total.feature_memory)
    return work / examples + table.picojoules(encoding or {}, 0, total.weight_memory.stored, 0)


def part_scalars(rows: list[LayerProfile], part: str, examples: int = 1) -> dict[str, float]:
    """The logged names and values of one submodule and all that is in it.

    Example:
        >>> from torch import nn, ones
        >>> from lossy_lightning.profiling import profile_layers
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
        >>> part_scalars(profile_layers(model, ones(1, 4)), "1")["macs/1/32bit"]
        6.0
    """
    own = [row for row in rows if f"{row.name}.".startswith(f"{part}.")]
    last = part.rpartition(".")[2]
    return {name.replace("/", f"/{last}/", 1): value for name, value in scalars(own, examples).items()}
