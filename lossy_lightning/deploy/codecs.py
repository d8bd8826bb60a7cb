"""The codec of a network, in its file: class path, constructor arguments, fitted tensors."""

from typing import Any

from numpy.typing import NDArray
from torch import nn

from lossy_lightning.core import Codec, InputError, SignalForm
from lossy_lightning.core.described import describe_codec, make_codec
from lossy_lightning.deploy._held import check_codec, spec_from_json
from lossy_lightning.deploy.runtime.network import PackedNetwork

_PREFIX = "codec."


def attach_codec(network: PackedNetwork, codec: Codec, form: SignalForm) -> PackedNetwork:
    """The network with the codec that made its codes, which `PackedNetwork.save` then writes, too.

    Args:
        network: The network.
        codec: A codec of this package. Of one of your own, or one that is made of modules, such as a VQVAE, the file
            holds the class alone, and `network_codec` takes the codec from you.
        form: What signals it gets, ``data.signal_form`` of a datamodule.

    Raises:
        ValueError: If the codec is not fitted, makes other codes than the network reads, or has an argument that is
            nothing that JSON holds, and no object of this package.

    Example:
        >>> from lossy_lightning.codecs import PCM
        >>> from lossy_lightning.deploy import pack
        >>> from lossy_lightning.nn import MLP, Scale
        >>> spec = PCM().spec((1, 8, 8))
        >>> network = pack(nn.Sequential(Scale(spec), MLP((1, 8, 8), 10)), spec)
        >>> network = attach_codec(network, PCM(), SignalForm((1, 8, 8)))
        >>> network_codec(network)
        PCM(bit_width=8)
    """
    if network.program.fields is None:
        raise InputError("the network's file is of an earlier version, which did not keep its spec: pack it anew")
    check_codec(codec, form, spec_from_json(network.program.fields, network.shape[1:]))
    tensors = {name: value for name, value in network.tensors.items() if not name.startswith(_PREFIX)}
    told, fitted = describe_beside(codec, form)
    tensors |= {_PREFIX + name: value for name, value in fitted.items()}
    return PackedNetwork(network.program, tensors, network.classes, told)


def describe_beside(codec: Codec, form: SignalForm) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """A codec and the form of its signals as they stand beside a network; of one made of modules, its class alone.

    Raises:
        ValueError: If an argument of another codec is nothing that JSON holds, or no object of this package.
    """
    signal = {"signal": form._asdict()}
    try:
        told, tensors = describe_codec(codec)
    except InputError:
        if not isinstance(codec, nn.Module):
            raise
        return {"class": f"{type(codec).__module__}.{type(codec).__qualname__}", "arguments": None} | signal, {}
    return told | signal, tensors


def make_form(told: dict[str, Any] | None) -> SignalForm:
    """The form of what a file tells of it.

    Raises:
        ValueError: If it tells nothing.
    """
    if told is None:
        raise InputError("the network's file does not say what signals its codes are of: export it with its codec")
    return SignalForm(**told)._replace(shape=tuple(told["shape"]))


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


def network_form(network: PackedNetwork) -> SignalForm:
    """What signals a network's codes were made of, as `attach_codec` was given it.

    Raises:
        ValueError: If the network's file does not tell.

    Example:
        >>> from lossy_lightning import weights
        >>> from lossy_lightning.data import Digits
        >>> from lossy_lightning.deploy import attach_codec, pack
        >>> trained = weights.load("digits-vq-lookup")
        >>> network = pack(trained.task, trained.task.spec)
        >>> network = attach_codec(network, trained.codec, Digits(trained.codec).signal_form)
        >>> network_form(network).shape
        (1, 8, 8)
    """
    return make_form(None if network.codec is None else network.codec.get("signal"))
