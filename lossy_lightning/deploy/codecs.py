"""The codec of a network, in its file: class path, constructor arguments, fitted tensors."""

from lossy_lightning.core import Codec, InputError
from lossy_lightning.core.described import describe_codec, make_codec
from lossy_lightning.deploy.runtime.network import PackedNetwork

_PREFIX = "codec."


def attach_codec(network: PackedNetwork, codec: Codec) -> PackedNetwork:
    """The network with the codec that made its codes, which `PackedNetwork.save` then writes, too.

    Args:
        network: The network.
        codec: A codec of this package, or one of your own: a file then names it, and `network_codec` takes it from you.

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
    tensors = {name.removeprefix(_PREFIX): value for name, value in network.tensors.items() if name.startswith(_PREFIX)}
    return make_codec(network.codec, tensors)
