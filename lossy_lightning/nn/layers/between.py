"""What stands between quantized layers: batch norm and nonlinearity."""

from collections.abc import Callable

from torch import nn

from lossy_lightning.core import InputError
from lossy_lightning.core.arguments import check_maker


def batch_norm(features: int, dimensions: int = 0) -> nn.BatchNorm1d | nn.BatchNorm2d:
    """Batch norm without a scale: the weight stays 1, only the bias is trained.

    What follows is a sign, which a positive scale does not change, or the loss.

    Args:
        features: Number of features or channels.
        dimensions: Number of dimensions of the grid after the channels: 0, 1 or 2.

    Raises:
        ValueError: If ``dimensions`` is none of those.

    Source:
        Ioffe & Szegedy, ICML 2015; as in the networks of Larq, epsilon is 1e-3.

    Example:
        >>> [name for name, p in batch_norm(8).named_parameters() if p.requires_grad]
        ['bias']
    """
    if dimensions not in (0, 1, 2):
        raise InputError(f"batch norm is over a grid of 0, 1 or 2 dimensions; got {dimensions=}")
    norm = (nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d)(features, eps=1e-3)
    norm.weight.requires_grad_(False)
    return norm


def nonlinearity(input_bit_width: int, activation: Callable[[], nn.Module] | None = None) -> list[nn.Module]:
    """What stands between layers, before one of that input bit width.

    At 1 bit nothing, for that layer's own sign is the nonlinearity. At 2 to 8 bits the hard tanh, whose symmetric range
    signed integers fill; rounding alone leaves a network all but linear. At 32 bits a ReLU.

    Args:
        input_bit_width: Bits of an input of the layer that follows.
        activation: Makes it instead.

    Raises:
        ValueError: If ``activation`` is made already, or makes nothing.

    Example:
        >>> nonlinearity(1), nonlinearity(4), nonlinearity(32), nonlinearity(32, nn.Hardtanh)
        ([], [Hardtanh(min_val=-1.0, max_val=1.0)], [ReLU()], [Hardtanh(min_val=-1.0, max_val=1.0)])
    """
    if isinstance(activation, nn.Module):
        kind = type(activation).__name__
        raise InputError(
            f"each layer gets an activation of its own; got one that is made already: pass {kind}, the class"
        )
    if activation is not None:
        check_maker("activation", activation)
        return [activation()]
    if input_bit_width == 1:
        return []
    return [nn.ReLU() if input_bit_width == 32 else nn.Hardtanh()]
