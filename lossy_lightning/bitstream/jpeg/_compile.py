"""How kernels are compiled: without the GIL, kept on disk, dividing as C does.

Numba looks at the date of a kernel's own file only: after changing one that others call, delete ``__pycache__``.
"""

from collections.abc import Callable
from typing import Any

from numba import njit

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

kernel: _Decorator = njit(nogil=True, cache=True, error_model="numpy")
inlined: _Decorator = njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
