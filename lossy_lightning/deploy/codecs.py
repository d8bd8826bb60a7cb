"""The codec of a network, in its file: class path, constructor arguments, fitted tensors."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lossy_lightning.core import Codec, InputError
from lossy_lightning.core.described import describe, make
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


def describe_codec(codec: Codec, made: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """A codec as JSON, and its tensors by name.

    Args:
        codec: The codec.
        made: Its class and arguments as `core.described` tells them, for a codec of modules, which do not keep theirs.

    Raises:
        ValueError: If an argument of the codec is nothing that JSON holds, or no object of this package.
    """
    told: dict[str, Any] = describe(codec) if made is None else dict(made)
    state = codec.state_dict() if isinstance(codec, nn.Module) else {}
    tensors = {
        name: value.detach().cpu().contiguous().numpy() for name, value in state.items() if isinstance(value, Tensor)
    }
    told["state"] = {name: describe(value) for name, value in state.items() if not isinstance(value, Tensor)}
    return told, tensors


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


def make_codec(told: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Codec:
    """The codec that `describe_codec` described.

    Raises:
        ValueError: If it is not of this package, or the tensors are not its own.
    """
    made = make(told)
    if not isinstance(made, Codec):
        raise InputError(f"the network's file names {told['class']} as its codec, which is none")
    if isinstance(made, nn.Module):
        fitted = {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}
        try:
            made.load_state_dict(fitted | told["state"])
        except RuntimeError as error:
            raise InputError(f"the tensors in the network's file are not those of {made}: {error}") from error
    return made
