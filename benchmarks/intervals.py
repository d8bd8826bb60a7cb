"""Means and their 95 % intervals: Student's t over runs, and a bootstrap over whatever was drawn.

Values are differences already, paired by seed and by example, if two networks are compared.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import t as student

_LEVEL = 0.95


class Interval(NamedTuple):
    """A mean, and where it lies with a confidence of 95 %; nowhere (NaN) if that cannot be said.

    Attributes:
        mean: Of the values.
        low: Least.
        high: Greatest.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """As it stands in tables: ``+1.20 (+0.50 to +1.90)``."""
        around = "" if np.isnan(self.low) else f" ({self.low:+.2f} to {self.high:+.2f})"
        return f"{self.mean:+.2f}{around}"


def over(values: Sequence[float] | np.ndarray[Any, Any]) -> Interval:
    """Of the mean of values that are drawn alike, such as one of each seed: Student's t.

    Example:
        >>> print(over([1.0, 2.0, 3.0]))
        +2.00 (-0.48 to +4.48)
    """
    return within([values])


def within(groups: Sequence[Sequence[float] | np.ndarray[Any, Any]]) -> Interval:
    """Of the mean over these very groups, each of values that are drawn alike: Student's t.

    It says how far other seeds would move the mean, not how far other groups would. The groups weigh the same; their
    variance is taken to be one.

    Args:
        groups: Values of each group, such as one of each seed.

    Example:
        >>> print(within([[1.0, 2.0, 3.0], [11.0, 12.0, 13.0]]))
        +7.00 (+5.87 to +8.13)
    """
    each = [np.asarray(values, float) for values in groups]
    mean = float(np.mean([values.mean() for values in each]))
    freedom = sum(len(values) - 1 for values in each)
    if not freedom:
        return Interval(mean, np.nan, np.nan)
    variance = sum(float(((values - values.mean()) ** 2).sum()) for values in each) / freedom
    error = np.sqrt(variance * sum(1 / len(values) for values in each)) / len(each)
    reach = float(student.ppf((1 + _LEVEL) / 2, freedom) * error)
    return Interval(mean, mean - reach, mean + reach)


Statistic = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
"""Of all values along the last axis."""

_MEAN: Statistic = partial(np.mean, axis=-1)


def bootstrap(
    values: np.ndarray[Any, Any], nested: int = 0, draws: int = 2000, statistic: Statistic = _MEAN
) -> Interval:
    """Of the mean over all axes: quantiles of the means of draws with replacement, axis by axis.

    Args:
        values: One value for each of what was drawn, such as ``(pairs, seeds, images)``.
        nested: Of so many first axes, each is drawn anew inside each one drawn of the axis before, such as seeds inside
            pairs. What the axes behind number, such as test images, is drawn once for all.
        draws: How many.
        statistic: In place of the mean, such as a median, if all axes are nested.

    Example:
        >>> print(bootstrap(np.arange(100.0)))
        +49.50 (+43.91 to +55.08)
    """
    generator = np.random.default_rng(0)
    values = np.asarray(values, float)
    drawn = np.stack([_crossed(values, nested, generator) for _ in range(draws)])
    for axis in range(1, nested + 1):
        size = drawn.shape[axis]
        index = generator.integers(size, size=drawn.shape[: axis + 1])
        drawn = np.take_along_axis(drawn, index.reshape(*index.shape, *[1] * (drawn.ndim - axis - 1)), axis)
    each = statistic(drawn.reshape(draws, -1))
    low, high = np.quantile(each, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(float(statistic(values.ravel())), float(low), float(high))


def _crossed(values: np.ndarray[Any, Any], nested: int, generator: np.random.Generator) -> np.ndarray[Any, Any]:
    """Means over the axes behind the nested ones, of one draw of each."""
    for size in reversed(values.shape[nested:]):
        values = values @ (np.bincount(generator.integers(size, size=size), minlength=size) / size)
    return values
