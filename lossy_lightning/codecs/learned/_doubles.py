"""Networks outside of training, in float64 or as they are."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

_AT_ONCE = 64
_VALUES_AT_ONCE = 2**18


def in_double(module: nn.Module, x: Tensor) -> Tensor:
    """Output of a module computed in float64, whose rounding does not depend on how examples are batched.

    A few examples at a time, for what they take up to stay in the processor's cache: twice as fast.
    """
    tensors = [*module.named_parameters(), *module.named_buffers()]
    doubled = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in tensors}
    outputs = [functional_call(module, doubled, (part.double(),)) for part in torch.split(x, _AT_ONCE)]
    return torch.cat(outputs)


def in_single(module: nn.Module, x: Tensor) -> Tensor:
    """Output of a module computed as it is, in float32; a few examples at a time, too."""
    count = max(1, _VALUES_AT_ONCE // max(1, x[0].numel())) if len(x) else 1
    return torch.cat([module(part.float()) for part in torch.split(x, count)])
