"""What numbers and tensors of a program must be, each in a sentence."""

from typing import Any

import numpy as np

MOST = 2**31 - 1
"""The greatest number that compiled code is told."""


class BadProgramError(ValueError):
    """What is wrong with a program."""


def require(fits: Any, told: str) -> None:
    """Raise a `BadProgramError` if something does not fit."""
    if not fits:
        raise BadProgramError(told)


def whole(number: Any, name: str, low: int, high: int = MOST) -> int:
    """A whole number from ``low`` to ``high``."""
    require(type(number) is int and low <= number <= high, f"{name} is {number!r}")
    return int(number)


def register(told: dict[str, Any]) -> dict[str, Any]:
    """A register, with the words of a position."""
    require(told["kind"] in ("bits", "reals"), f"a register is of {told['kind']!r}")
    positions, channels = (whole(told[name], name, 1, 2**28) for name in ("positions", "channels"))
    width = whole(told.get("width", -(-channels // 64)), "width", -(-channels // 64), 2**24)
    slots = told.get("slots", range(channels))
    fits = len(slots) == len(set(slots)) == channels and all(type(s) is int and 0 <= s < 64 * width for s in slots)
    require(fits, "a register's slots are not one for each channel")
    require(positions * max(channels, width) < MOST, "a register is too large")
    return told | {"width": width}


def size(told: dict[str, Any]) -> int:
    """Numbers that a register holds."""
    return int(told["positions"] * told["channels"])


def tensor(
    tensors: dict[str, np.ndarray], step: dict[str, Any], role: str, shape: tuple[int | None, ...], kinds: str
) -> np.ndarray:
    """A step's tensor of that shape, None for any number; ``kinds`` are those of NumPy's dtypes."""
    found = tensors[step["tensors"][role]]
    fits = len(found.shape) == len(shape) and all(
        want in (None, given) for want, given in zip(shape, found.shape, strict=True)
    )
    require(fits and found.dtype.kind in kinds, f"{role} is {found.dtype} {found.shape}")
    return found


def integers(
    tensors: dict[str, np.ndarray],
    step: dict[str, Any],
    role: str,
    shape: tuple[int | None, ...],
    low: int = -MOST,
    high: int = MOST,
) -> np.ndarray:
    """A step's integers from ``low`` to ``high``, as int64."""
    found = tensor(tensors, step, role, shape, "iu")
    inside = found.size == 0 or (int(found.min()) >= low and int(found.max()) <= high)
    require(inside, f"{role} are not all from {low} to {high}")
    return found.astype(np.int64)


def rows(
    tensors: dict[str, np.ndarray], step: dict[str, Any], role: str, positions: int, each: int, kinds: str
) -> np.ndarray:
    """A step's tensor of one row for all positions, or one for each."""
    found = tensor(tensors, step, role, (None, each), kinds)
    require(len(found) in (1, positions), f"{role} has {len(found)} rows for {positions} positions")
    return found


def weights(tensors: dict[str, np.ndarray], step: dict[str, Any], shape: tuple[int | None, ...]) -> int:
    """Check a step's weights, however they are stored; returns how many rows they have."""
    kinds = {"weights": "f", "numbers": "fiu", "signs": "b"}
    role = next((role for role in kinds if role in step["tensors"]), "signs")
    found = tensor(tensors, step, role, shape, kinds[role])
    if "scale" in step["tensors"]:
        scale = tensor(tensors, step, "scale", (None,), "f")
        require(len(scale) > 0 and len(found) % len(scale) == 0, "its scale is of another size")
    return len(found)
