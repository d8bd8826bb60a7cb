"""Trained networks for other programs: packed bits for any CPU, and files that other tools run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossy_lightning.deploy.exchange import export_onnx, export_qonnx
    from lossy_lightning.deploy.packing import pack
    from lossy_lightning.deploy.runtime.network import PackedNetwork

__all__ = ["PackedNetwork", "export_onnx", "export_qonnx", "pack"]

_PLACES = {
    "PackedNetwork": "runtime.network",
    "export_onnx": "exchange",
    "export_qonnx": "exchange",
    "pack": "packing",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: networks that are packed already run without torch."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
