"""How kernels are compiled: without the GIL, dividing as C does.

Only entry points, which Python calls, are kept on disk, with all that they call.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_sources = sorted(Path(__file__).parent.glob("*.py"))
_version = hashlib.sha256(b"".join(path.read_bytes() for path in _sources)).hexdigest()[:12]


def entry(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile an entry point, and keep it on disk until any kernel of this folder changes."""
    # Numba files what it keeps under this name, and looks at the date of the function's own file alone.
    function.__qualname__ += f"_{_version}"
    return njit(nogil=True, error_model="numpy", cache=True)(function)


# Numba's stubs leave these options out; without wrappers for Python and C, kernels compile in half the time.
kernel: _Decorator = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
inlined: _Decorator = njit(  # type: ignore[call-overload]
    nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True
)
