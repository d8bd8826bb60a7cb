"""How kernels are compiled: without the GIL, dividing as C does.

Only entry points, which Python calls, are kept on disk, with all that they call. Numba looks at the date of an entry
point's own file: after changing a kernel in another file, delete ``__pycache__``.
"""

from collections.abc import Callable
from typing import Any

from numba import njit

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

entry: _Decorator = njit(nogil=True, error_model="numpy", cache=True)
# Numba's stubs leave these options out; without wrappers for Python and C, kernels compile in half the time.
kernel: _Decorator = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
inlined: _Decorator = njit(  # type: ignore[call-overload]
    nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True
)
