"""Trained networks for other programs: packed bits for any CPU."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossy_lightning.deploy.packing import pack
    from lossy_lightning.deploy.runtime.network import PackedNetwork

__all__ = ["PackedNetwork", "pack"]

_PLACES = {"PackedNetwork": "runtime.network", "pack": "packing"}


def __getattr__(name: str) -> Any:
    """Import what is asked for: networks that are packed already run without torch."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
