"""Errors of other libraries that tell of a user's mistake, or of his machine, in one sentence."""

import errno
import re
from collections.abc import Callable

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.core import UserError

_DENIED = "choose another folder: --data.cache_dir, --trainer.default_root_dir or the logger's save_dir"
_FULL = f"free some space, or {_DENIED}"
_PLACES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: f"a limit of this system (ulimit -f) or of its disk was met: raise it, or {_DENIED}",
    errno.EROFS: _DENIED,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EEXIST: _DENIED,
    errno.ENOTDIR: _DENIED,
    errno.EISDIR: _DENIED,
}
"""Number of an error of the file system, and what to do."""


_STARTS: dict[str, Callable[[BaseException], str]] = {
    "Early stopping conditioned on metric": lambda error: " ".join(str(error).split()),
    "Error(s) in loading state_dict": lambda error: (
        "the checkpoint is of another network than this configuration makes; give the configuration that it was "
        f"trained with ({' '.join(str(error).split())[:200]})"
    ),
}
"""How errors begin that Lightning and torch raise as plain RuntimeErrors, and what to say of them."""


def told(error: BaseException) -> str | None:
    """The sentence that tells an error whose traceback would help nobody; None if it may be a bug."""
    if isinstance(error, UserError):
        return _of_worker(str(error))
    if isinstance(error, MisconfigurationException):
        # A monitor that could not run somebody's module names the module's own error as the cause: that may be a bug.
        return None if error.__cause__ is not None else _hinted(str(error))
    if isinstance(error, torch.OutOfMemoryError):
        return f"the device has no memory left; lower --data.batch_size ({str(error).splitlines()[0]})"
    if isinstance(error, RuntimeError):
        return next((say(error) for start, say in _STARTS.items() if str(error).startswith(start)), None)
    if isinstance(error, OSError) and error.errno in _PLACES:
        place = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{place}; {_PLACES[error.errno]}"
    return None


def _hinted(text: str) -> str:
    sentence = " ".join(text.split())
    if re.search(r"No supported gpu backend|CUDAAccelerator. can not run|MPSAccelerator. can not run", sentence):
        return f"{sentence.rstrip('.!')}: PyTorch sees none here; set --trainer.accelerator to cpu or auto"
    return sentence


def _of_worker(text: str) -> str:
    """The error's own words, without the traceback that a worker's process puts before them."""
    if "Traceback (most recent call last)" not in text:
        return text
    return re.split(r"\n[\w.]*Error: ", text)[-1].strip()
