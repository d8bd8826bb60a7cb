"""What making a code costs, before any network reads it."""

import warnings
from collections import Counter

import torch
from torch import Tensor, nn

from lossy_lightning.core import Codec
from lossy_lightning.functional import undisturbed
from lossy_lightning.profiling._tracing import trace
from lossy_lightning.profiling.counting import unseen_message


def count_encoding_macs(codec: Codec, shape: tuple[int, ...]) -> Counter[int]:
    """Multiply-accumulates of encoding one signal, by bit width, if the codec is learned or neural.

    Together with `count_macs` of the network they are the cost from sensor to label. A codec that was not trained,
    such as JPEG, has none: its transform is fixed, and its files are there already. Products count as `count_macs`
    does it, Fourier transforms not at all. Our codecs compute in float64, so that a code does not depend on its batch;
    that counts as 32 bits, which training takes.

    Args:
        codec: Fitted, if it needs that.
        shape: Of the signal, without batch.

    Returns:
        Bit width -> multiply-accumulates; empty if nothing was learned.

    Raises:
        RuntimeError: If the codec is not fitted.

    Warns:
        UserWarning: Names what a codec of your own computes outside of torch, if its `encoding_macs` tells nothing.

    Example:
        >>> import torch
        >>> from lossy_lightning.codecs import VQ
        >>> images = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8)
        >>> count_encoding_macs(VQ((4, 4), levels=16).fit([images]), (1, 28, 28))
        Counter({32: 12544})
    """
    if not codec.learned:
        return Counter()
    total = +codec.encoding_macs(shape)
    spec = codec.spec(shape)
    grid = [size for size in spec.grid if size is not None]
    code = torch.tensor(spec.low).view(1, -1, *(1 for _ in grid)).expand(1, -1, *grid).to(spec.dtype)
    model = _Encoding(codec)
    with undisturbed(model):
        result = trace(model, (codec.decode(code, (1, *shape)),), {})
    unseen = {name for name in result.unseen if not name.startswith("aten::_fft")}
    if unseen and not total:
        warnings.warn(unseen_message(unseen), stacklevel=2)
    for counts in result.macs.values():
        for width, count in counts.items():
            total[min(width, 32)] += count
    return total


class _Encoding(nn.Module):
    """A codec's `encode` as a forward."""

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, signal: Tensor) -> Tensor:
        return self.codec.encode(signal)
