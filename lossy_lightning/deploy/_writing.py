"""Steps of a program, written from tensors."""

import torch
from torch import Tensor

from lossy_lightning.deploy._codes import Entries
from lossy_lightning.deploy._layout import Layout, same_for_all_positions
from lossy_lightning.deploy._program import Program, weight_tensors
from lossy_lightning.deploy._values import BitProduct, Geometry, Pool, Reals, Signs
from lossy_lightning.deploy._weights import Weights


def write_code_signs(program: Program, entries: Entries, channels: int) -> int:
    """Bits of codes; returns their register, of the filled positions alone."""
    words, slots, tables, starts, at, shifts = 0, [0] * channels, list[Tensor](), list[int](), list[int](), list[int]()
    free = 64
    for features, table in zip(entries.features, entries.tables, strict=True):
        if free + len(features) > 64:
            words, free = words + 1, 0
        at.append(words - 1)
        shifts.append(free)
        for k, feature in enumerate(features):
            slots[feature] = 64 * (words - 1) + free + k
        free += len(features)
        weights = torch.tensor([1 << k for k in range(len(features))], dtype=torch.int64)
        tables.append(((table > 0) * weights).sum(1))
    known: dict[tuple[int, ...], int] = {}
    unique: list[int] = []
    for table in tables:
        key = tuple(table.tolist())
        if key not in known:
            known[key] = len(unique)
            unique += key
        starts.append(known[key])
    target = program.register("bits", len(entries.places), channels)
    program.registers[target]["width"] = words
    program.registers[target]["slots"] = slots
    program.step(
        "encode_bits",
        [],
        target,
        {
            "places": entries.places,
            "tables": torch.tensor(unique),
            "starts": torch.tensor(starts),
            "sizes": torch.tensor([len(table) for table in tables]),
            "lows": torch.tensor(entries.lows),
            "at": torch.tensor(at),
            "shifts": torch.tensor(shifts),
        },
    )
    return target


def write_code_reals(program: Program, entries: Entries, channels: int) -> int:
    """Numbers of codes by tables, the features of one entry after those of the other."""
    starts, flat, total = list[int](), list[Tensor](), 0
    lengths = [len(features) for features in entries.features]
    for table in entries.tables:
        starts.append(total)
        flat.append(table.flatten())
        total += table.numel()
    target = program.register("reals", len(entries.places), channels)
    program.step(
        "encode_reals",
        [],
        target,
        {
            "places": entries.places,
            "tables": torch.cat(flat).float(),
            "starts": torch.tensor(starts),
            "sizes": torch.tensor([len(table) for table in entries.tables]),
            "lows": torch.tensor(entries.lows),
            "at": torch.tensor([0, *lengths[:-1]]).cumsum(0),
            "lengths": torch.tensor(lengths),
        },
    )
    return target


def write_code_numbers(program: Program, layout: Layout, lows: Tensor, highs: Tensor) -> int:
    """The codes themselves as numbers; ``lows`` and ``highs`` are the ends of each channel."""
    places = torch.argsort(layout.order).view(layout.positions, layout.channels)
    target = program.register("reals", layout.positions, layout.channels)
    program.step(
        "encode_reals",
        [],
        target,
        {
            "places": places,
            "sizes": highs - lows + 1,
            "lows": lows,
            "at": torch.arange(layout.channels),
        },
    )
    return target


def write_lookup(
    program: Program, places: Tensor, starts: Tensor, table: Weights, numbers: tuple[int, int, int | None]
) -> int:
    """Rows of a table added up, by the places ``(positions, taps)`` of codes and the first row of each."""
    target = program.register("reals", len(places), table.numbers.shape[1])
    low, high, absent = numbers
    program.step(
        "lookup",
        [],
        target,
        {"places": places, "starts": same_for_all_positions(starts), **weight_tensors(table, table.numbers)},
        rows=len(table.numbers),
        low=low,
        high=high,
        absent=absent,
    )
    return target


def write_bit_product(
    program: Program, product: BitProduct, thresholds: Tensor, falling: Tensor, positions: int
) -> int:
    """Bits of sums of signs: from a threshold on, or below it where the function falls, of each output."""
    outputs = len(product.weights)
    signs = torch.where(falling, -1, 1).to(torch.int8)
    target = program.register("bits", positions, outputs)
    program.step(
        "bit_product",
        [product.register],
        target,
        {
            "signs": product.weights * signs.view(-1, 1, 1) > 0,
            "thresholds": torch.where(falling, 1 - thresholds, thresholds),
        },
        geometry=product.geometry._asdict(),
        groups=product.groups,
    )
    return target


def write_sums(program: Program, product: BitProduct, positions: int) -> int:
    """Sums of signs as numbers, with their scale and bias."""
    outputs = len(product.weights)
    target = program.register("reals", positions, outputs)
    program.step(
        "bit_product",
        [product.register],
        target,
        {"signs": product.weights > 0},
        geometry=product.geometry._asdict(),
        groups=product.groups,
    )
    if not bool((product.scale == 1).all()):
        target = write_elementwise(program, target, "multiply", product.scale.expand(1, outputs), None)
    if product.bias is not None:
        target = write_elementwise(program, target, "add", product.bias.view(1, -1), None)
    return target


def write_real_product(
    program: Program,
    source: int,
    geometry: Geometry,
    groups: int,
    weights: Weights,
    bias: Tensor | None,
    positions: int,
) -> int:
    """A product of numbers."""
    target = program.register("reals", positions, len(weights.numbers))
    program.step(
        "real_product",
        [source],
        target,
        weight_tensors(weights, weights.numbers) | ({} if bias is None else {"bias": bias}),
        geometry=geometry._asdict(),
        groups=groups,
    )
    return target


def write_elementwise(program: Program, source: int, operation: str, first: Tensor, second: Tensor | None) -> int:
    """One operation with constants ``(positions or 1, channels)``."""
    register = program.registers[source]
    target = program.register("reals", register["positions"], register["channels"])
    tensors = {"first": _short(first)} | ({} if second is None else {"second": _short(second)})
    program.step("elementwise", [source], target, tensors, operation=operation)
    return target


def write_thresholds(program: Program, source: int, thresholds: Tensor, falling: Tensor) -> int:
    """Bits of numbers, by thresholds ``(positions or 1, channels)``."""
    register = program.registers[source]
    target = program.register("bits", register["positions"], register["channels"])
    both = same_for_all_positions(torch.stack([thresholds, falling.to(thresholds.dtype)], -1))
    program.step("bit_thresholds", [source], target, {"thresholds": both[..., 0], "flips": both[..., 1] > 0})
    return target


def write_bit_pool(program: Program, source: int, geometry: Geometry, falling: Tensor, positions: int) -> int:
    """Maximum of bits; then those of some channels ``(channels,)`` are flipped."""
    register = program.registers[source]
    target = program.register("bits", positions, register["channels"])
    _copy_slots(program, source, target)
    program.step("bit_pooling", [source], target, {"flips": falling}, geometry=geometry._asdict())
    return target


def write_gathered_bits(program: Program, source: int, places: Tensor, fill: Tensor) -> int:
    """Positions of bits; where there is none, -1, bits of ``fill`` ``(channels,)``."""
    register = program.registers[source]
    target = program.register("bits", len(places), register["channels"])
    _copy_slots(program, source, target)
    program.step("bit_gathering", [source], target, {"places": places, "fill": fill})
    return target


def write_read_bits(program: Program, signs: Signs) -> int:
    """Numbers of bits."""
    target = program.register("reals", signs.layout.positions, signs.layout.channels)
    program.step("bit_reading", [signs.register], target, {"values": signs.values.float()})
    return target


def write_pool(program: Program, source: int, pool: Pool) -> int:
    """Maximum or mean of numbers."""
    target = program.register("reals", pool.after.positions, pool.after.channels)
    program.step("pooling", [source], target, {}, geometry=pool.geometry._asdict(), divisor=pool.divisor)
    return target


def write_join(program: Program, first: Reals, second: Reals, operation: str) -> int:
    """Two tensors of one layout, value by value."""
    target = program.register("reals", first.layout.positions, first.layout.channels)
    program.step("join", [first.register, second.register], target, {}, operation=operation)
    return target


def write_gathered_reals(program: Program, source: int, places: Tensor, fill: Tensor, layout: Layout) -> Reals:
    """Numbers in another layout: ``places`` and ``fill`` ``(positions, channels)``; -1 takes the fill."""
    target = program.register("reals", layout.positions, layout.channels)
    tensors = {"places": places} | ({"fill": fill.float()} if bool((places < 0).any()) else {})
    program.step("gathering", [source], target, tensors)
    return Reals(target, layout)


def _copy_slots(program: Program, source: int, target: int) -> None:
    for name in ("width", "slots"):
        if name in program.registers[source]:
            program.registers[target][name] = program.registers[source][name]


def _short(constant: Tensor) -> Tensor:
    """A constant of all channels once, if it is the same for all."""
    constant = same_for_all_positions(constant).float()
    return constant[:, :1] if bool((constant == constant[:, :1]).all()) and len(constant) == 1 else constant
