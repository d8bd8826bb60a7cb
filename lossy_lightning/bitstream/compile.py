"""How kernels are compiled: without the GIL, with C's division, and kept on disk.

Only entry points, which Python calls, are kept, with all that they call. Each is filed under a hash of two sets of
sources: the folder that it stands in, and the folder of this file, whose kernels all standards share. So compiled code
of one standard stays valid when another standard changes.

Example:
    >>> @kernel
    ... def double(x):
    ...     return 2 * x
    >>> @entry  # doctest: +SKIP
    ... def quadruple(x):
    ...     return double(double(x))
"""

import hashlib
import os
import stat
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import njit

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_SHARED = Path(__file__).parent
_config: Any = numba.config  # whose names Numba makes while it is imported


def entry(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile an entry point at its first call, and keep it on disk until a kernel that it may call changes.

    Numba chooses the folder: ``$NUMBA_CACHE_DIR``, the ``__pycache__`` beside the source, or the user's cache folder.
    If none can be written, a folder of this user among the temporary ones takes their place, with a warning; if there
    is none either, each process compiles anew.

    Args:
        function: Numba finds the types of its arguments at each call.

    Returns:
        The compiled function.
    """
    # Numba files what it keeps under this name, and looks at the contents of the function's own file alone.
    function.__qualname__ += f"_{_version(Path(function.__code__.co_filename).parent)}"
    try:
        return _kept(function)
    except RuntimeError:  # no folder can be written
        folder = _temporary_folder()
    if folder is None:
        return njit(nogil=True, error_model="numpy")(function)
    before, _config.CACHE_DIR = _config.CACHE_DIR, folder
    try:
        return _kept(function)
    finally:
        _config.CACHE_DIR = before


# Numba's stubs leave these options out; without wrappers for Python and C, kernels compile in half the time.
#: Compile a function that only compiled code calls.
kernel: _Decorator = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
#: The same, put in place of each call.
inlined: _Decorator = njit(  # type: ignore[call-overload]
    nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True
)

#: The same, compiled as a part of each caller, never for itself: what is below a kernel is optimized again with it.
merged: _Decorator = njit(  # type: ignore[call-overload]
    nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, inline="always"
)

_kept: _Decorator = njit(nogil=True, error_model="numpy", cache=True)


@cache
def _version(folder: Path) -> str:
    """Hash of the sources of a folder and of the shared kernels."""
    sources = [path.read_bytes() for place in (folder, _SHARED) for path in sorted(place.glob("*.py"))]
    return hashlib.sha256(b"".join(sources)).hexdigest()[:12]


@cache
def _temporary_folder() -> str | None:
    """A folder that only this user can write, and None if there is none; says so once."""
    try:
        folder = _private_folder()
    except OSError:
        folder = None
    place = "compiled anew in each process" if folder is None else f"kept in {folder}"
    warnings.warn(
        f"neither the package's folder nor the user's cache folder can be written, so compiled code is {place}; set "
        "NUMBA_CACHE_DIR to a folder that can be written",
        stacklevel=5,
    )
    return folder


def _private_folder() -> str:
    """What is kept gets executed, so a folder that somebody else might write is left alone."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    folder = Path(tempfile.gettempdir()) / f"lossy_lightning-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    others = stat.S_IMODE(found.st_mode) & 0o022 or found.st_uid != user
    if hasattr(os, "getuid") and (others or not stat.S_ISDIR(found.st_mode)):
        return tempfile.mkdtemp(prefix="lossy_lightning-")
    return str(folder)
