"""The quantizers of vector-quantize-pytorch behind one set of functions.

They differ in what they return (two or three values, one index or several) and in how an index becomes a vector again.
Features are channel first here, ``(N, dim, *grid)``, and indices ``(N, indices, *grid)``. The package is slow to
import, so functions import it.
"""

from copy import deepcopy
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core import InputError
from lossy_lightning.functional import nearest_codewords

_REQUIRED = {
    "has_projections": False,
    "heads": 1,
    "accept_image_fmap": False,
    "accept_3d_fmap": False,
    "channel_last": True,
    "channel_first": None,
    "affine_param": False,
    "vq_bridge": None,
    "implicit_neural_codebook": False,
    "beam_size": None,
    "return_indices": True,
    "orthogonal_rotation": False,
    "spherical": False,
}


class Latents(NamedTuple):
    """What a quantizer makes of features.

    Attributes:
        values: ``(N, dim, *grid)``, the words that the indices name, of `LFQ` to the last bit; the gradient passes to
            the features.
        indices: ``(N, indices, *grid)`` int64; -1 for a residual stage that was left out in training.
        loss: Scalar, the quantizer's own (commitment, entropy), weighted as the quantizer was told.
    """

    values: Tensor
    indices: Any
    loss: Tensor


def check_quantizer(quantizer: nn.Module) -> None:
    """Check that a quantizer is one that the functions here know.

    Raises:
        ValueError: If it is none of the four, or projects, splits or permutes the features itself.
    """
    from vector_quantize_pytorch import FSQ, LFQ, ResidualVQ, VectorQuantize

    if not isinstance(quantizer, (VectorQuantize, ResidualVQ, FSQ, LFQ)):
        raise InputError(
            "the quantizer is a VectorQuantize, ResidualVQ, FSQ or LFQ of vector_quantize_pytorch; "
            f"got {type(quantizer).__name__}"
        )
    for module in quantizer.modules():
        for name, required in _REQUIRED.items():
            # `channel_first` is None or False by default, depending on the quantizer.
            if (got := getattr(module, name, required)) != required and (got or required):
                raise InputError(
                    f"a quantizer of a VQVAE must have {name}={required}; got {got}: let the encoder give as many "
                    "features as the codebook has dimensions, and leave the quantizer's other arguments as they are"
                )


def books_of(quantizer: Any) -> list[Tensor]:
    """Codebook ``(levels, dim)`` of each index, each in the dimensions that it names."""
    from vector_quantize_pytorch import FSQ, ResidualVQ, VectorQuantize

    match quantizer:
        case VectorQuantize():
            return [quantizer.codebook.detach()]
        case ResidualVQ():
            return [book.detach() for book in quantizer.codebooks]
        case FSQ():
            return [quantizer.implicit_codebook] * quantizer.num_codebooks
    return [quantizer.codebook] * quantizer.num_codebooks


def levels_of(quantizer: nn.Module) -> list[int]:
    """Number of words of each index."""
    return [len(book) for book in books_of(quantizer)]


def dim_of(quantizer: nn.Module) -> int:
    """Number of features that a quantizer takes."""
    from vector_quantize_pytorch import ResidualVQ

    widths = [book.shape[1] for book in books_of(quantizer)]
    return widths[0] if isinstance(quantizer, ResidualVQ) else sum(widths)


def is_initialized(quantizer: nn.Module) -> bool:
    """Whether there are codebooks; those that k-means makes of the first batch are all zeros before it."""
    return all(bool(module.initted) for module in quantizer.modules() if hasattr(module, "initted"))


def quantize(quantizer: nn.Module, features: Tensor) -> Latents:
    """Quantize features ``(N, dim, *grid)`` as the quantizer's mode says: its codebooks are made and move in training.

    Before that, in evaluation mode, codebooks that k-means is to make are those of the batch, and are not kept.
    """
    from vector_quantize_pytorch import LFQ

    grid = features.shape[2:]
    if not quantizer.training and not is_initialized(quantizer):
        quantizer = deepcopy(quantizer)  # Lightning's sanity check brings a batch of validation first
    values, indices, *losses = quantizer(features.flatten(2).transpose(1, 2))
    indices = _channel_first(indices, grid)
    values = values.transpose(1, 2).unflatten(2, grid)
    if isinstance(quantizer, LFQ):
        # `x + (word - x)` is the word only up to rounding, and a binary layer's gradient ends at exactly 1.
        values = _Exact.apply(values, words(quantizer, indices).to(values.dtype))  # type: ignore[no-untyped-call]
    loss = torch.stack([loss.sum() for loss in losses]).sum() if losses else values.new_zeros(())
    return Latents(values, indices, loss)


def nearest_indices(quantizer: nn.Module, features: Tensor) -> Tensor:
    """Indices ``(N, indices, *grid)`` of features ``(N, dim, *grid)``, as in evaluation mode.

    The quantizers' own distances depend in the last bits on the size of the batch. Those here are exact enough for
    indices not to.
    """
    from vector_quantize_pytorch import FSQ, LFQ, ResidualVQ

    grid = features.shape[2:]
    flat = features.flatten(2).transpose(1, 2).double()
    indices: Any
    if isinstance(quantizer, (FSQ, LFQ)):
        indices = quantizer(flat)[1]  # element by element, and they have no weights
    else:
        layers: list[Any] = list(quantizer.layers) if isinstance(quantizer, ResidualVQ) else [quantizer]
        stages = []
        for layer, book in zip(layers, books_of(quantizer), strict=True):
            stages.append(nearest_codewords(F.normalize(flat, dim=-1) if layer.use_cosine_sim else flat, book))
            flat = flat - book[stages[-1]]
        indices = torch.stack(stages, -1)
    return _channel_first(indices, grid)


def words(quantizer: nn.Module, indices: Tensor) -> Tensor:
    """Values ``(N, dim, *grid)`` that indices ``(N, indices, *grid)`` name; zeros for -1."""
    from vector_quantize_pytorch import ResidualVQ

    rows = [
        book[index.clamp(min=0)] * (index >= 0).unsqueeze(-1)
        for book, index in zip(books_of(quantizer), indices.unbind(1), strict=True)
    ]
    values: Tensor = torch.stack(rows).sum(0) if isinstance(quantizer, ResidualVQ) else torch.cat(rows, -1)
    return values.movedim(-1, 1)


def _channel_first(indices: Any, grid: torch.Size) -> Tensor:
    """Indices ``(N, cells)``, or one more axis of several, to ``(N, indices, *grid)`` int64."""
    several = indices.unsqueeze(-1) if indices.ndim == 2 else indices
    channel_first: Tensor = several.transpose(1, 2).unflatten(2, grid).long()
    return channel_first


class _Exact(torch.autograd.Function):
    """The words themselves, with the gradient of what stands for them in training."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, exact: Tensor) -> Tensor:
        return exact

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        return grad_outputs[0], None
