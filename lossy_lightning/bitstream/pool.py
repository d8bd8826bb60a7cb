"""Threads that work on parts of a batch, and are kept between calls."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

_Work = TypeVar("_Work")
_Done = TypeVar("_Done")


def check_threads(num_threads: int) -> None:
    """Refuse what is no number of threads.

    Raises:
        ValueError: If it is no integer, or below 1.
    """
    if not isinstance(num_threads, int) or num_threads < 1:
        raise ValueError(f"num_threads must be an integer, at least 1; got {num_threads!r}")


def in_threads(work: Callable[[_Work], _Done], items: Sequence[_Work], num_threads: int) -> list[_Done]:
    """What becomes of each item; whichever thread is free, this one among them, takes the next.

    Args:
        work: Called once for each item.
        items: What there is to do.
        num_threads: Threads at most, this one included.

    Returns:
        Results in the order of the items.

    Example:
        >>> in_threads(abs, [-1, 2, -3], num_threads=2)
        [1, 2, 3]
    """
    if num_threads == 1 or len(items) == 1:
        return [work(item) for item in items]
    done: dict[int, _Done] = {}
    waiting = iter(enumerate(items))

    def take() -> None:
        for i, item in waiting:
            done[i] = work(item)

    started = [_helpers(num_threads - 1, os.getpid()).submit(take) for _ in range(min(num_threads, len(items)) - 1)]
    take()
    for helper in started:
        if not helper.cancel():  # it had not begun, and nothing is left to do
            helper.result()
    return [done[i] for i in range(len(items))]


@cache
def _helpers(count: int, process: int) -> ThreadPoolExecutor:
    """Threads that are kept: to start and end them takes as long as reading several files.

    ``process`` is this one's number, since a forked child has none of its parent's threads.
    """
    return ThreadPoolExecutor(count, "bitstream")
