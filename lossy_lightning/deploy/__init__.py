"""Trained networks for other programs: packed bits for any CPU, and files that other tools run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossy_lightning.deploy.codecs import attach_codec, network_codec, network_form
    from lossy_lightning.deploy.exchange import export_onnx, export_qonnx
    from lossy_lightning.deploy.monitor import PackedSpeedMonitor
    from lossy_lightning.deploy.onnx_network import OnnxNetwork
    from lossy_lightning.deploy.packing import pack
    from lossy_lightning.deploy.runtime.network import PackedNetwork

__all__ = [
    "OnnxNetwork",
    "PackedNetwork",
    "PackedSpeedMonitor",
    "attach_codec",
    "export_onnx",
    "export_qonnx",
    "network_codec",
    "network_form",
    "pack",
]

_PLACES = {
    "OnnxNetwork": "onnx_network",
    "PackedNetwork": "runtime.network",
    "PackedSpeedMonitor": "monitor",
    "attach_codec": "codecs",
    "export_onnx": "exchange",
    "export_qonnx": "exchange",
    "network_codec": "codecs",
    "network_form": "codecs",
    "pack": "packing",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: networks that are packed already run without torch."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
