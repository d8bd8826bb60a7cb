"""Files of weights: which layout they have, beside what they hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lossy_lightning import __version__
from lossy_lightning.core import InputError
from lossy_lightning.deploy.runtime.file import read_file, write_file

_LAYOUT = 1  # a newer one is told apart


def write_weights(path: Path, told: Mapping[str, Any], tensors: Mapping[str, np.ndarray[Any, Any]], kind: str) -> None:
    """Write a file of a kind: what it says, and its tensors."""
    write_file(path, {"layout": _LAYOUT, "version": __version__, **told}, dict(tensors), kind)


def read_weights(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """What a file of a kind says, and its tensors.

    Raises:
        ValueError: If it is no such file, or one of a newer version of this package.
    """
    try:
        told, tensors = read_file(path, kind)
    except ValueError as error:
        raise InputError(str(error)) from error
    if told["layout"] != _LAYOUT:
        raise InputError(
            f"{path} was written by lossy_lightning {told['version']}, whose files this version, {__version__}, "
            "cannot read: install that version"
        )
    return told, tensors
