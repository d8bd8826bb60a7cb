"""The codec of a network, in its file: class path, constructor arguments, fitted tensors."""

import inspect
from typing import Any

from torch import nn

from lossy_lightning.core import Codec, InputError
from lossy_lightning.core.described import describe_codec, make_codec
from lossy_lightning.deploy.runtime.network import PackedNetwork

_PREFIX = "codec."


def attach_codec(network: PackedNetwork, codec: Codec) -> PackedNetwork:
    """The network with the codec that made its codes, which `PackedNetwork.save` then writes, too.

    Args:
        network: The network.
        codec: A codec of this package. Of one of your own, or one that is made of modules, such as a VQVAE, the file
            holds the class alone, and `network_codec` takes the codec from you.

    Raises:
        ValueError: If an argument of the codec is nothing that JSON holds, or no object of this package.

    Example:
        >>> from torch import nn
        >>> from lossy_lightning.codecs import PCM
        >>> from lossy_lightning.deploy import pack
        >>> from lossy_lightning.nn import MLP, Scale
        >>> spec = PCM().spec((1, 8, 8))
        >>> network = attach_codec(pack(nn.Sequential(Scale(spec), MLP((1, 8, 8), 10)), spec), PCM())
        >>> network_codec(network)
        PCM(bit_width=8)
    """
    tensors = {name: value for name, value in network.tensors.items() if not name.startswith(_PREFIX)}
    if not _can_be_told(codec):
        named: dict[str, Any] = {"class": _path(codec), "arguments": None}
        return PackedNetwork(network.program, tensors, network.classes, named)
    told, fitted = describe_codec(codec)
    tensors |= {_PREFIX + name: value for name, value in fitted.items()}
    return PackedNetwork(network.program, tensors, network.classes, told)


def network_codec(network: PackedNetwork, codec: Codec | None = None) -> Codec:
    """The codec that makes a network's codes.

    Args:
        network: The network.
        codec: Instead of the one that its file tells, such as one of your own.

    Raises:
        ValueError: If the file tells none, or one that is not of this package.
    """
    if codec is not None:
        return codec
    if network.codec is None:
        raise InputError("the network's file does not say which codec made its codes; give the codec")
    if network.codec["arguments"] is None:
        named = network.codec["class"]
        raise InputError(f"the network's file names the codec {named}, not what it is made of; give the codec")
    tensors = {name.removeprefix(_PREFIX): value for name, value in network.tensors.items() if name.startswith(_PREFIX)}
    return make_codec(network.codec, tensors)


def _can_be_told(codec: Codec) -> bool:
    """Whether the modules that a codec is made of, if any, are ours and keep their own arguments as attributes."""
    values = [getattr(codec, name, None) for name in _parameters(codec)]
    parts = [value for value in values if isinstance(value, nn.Module)]
    return all(
        _path(part).startswith("lossy_lightning.") and all(hasattr(part, name) for name in _parameters(part))
        for part in parts
    )


def _parameters(value: object) -> list[str]:
    return list(inspect.signature(type(value)).parameters)


def _path(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
