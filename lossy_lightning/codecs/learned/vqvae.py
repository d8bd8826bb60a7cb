"""Learned codes: an encoder network, a quantizer, and a decoder network."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from lossy_lightning.codecs.learned._checkpoints import codec_of
from lossy_lightning.codecs.learned._doubles import in_double
from lossy_lightning.codecs.learned._quantizers import (
    Latents,
    books_of,
    check_quantizer,
    dim_of,
    is_initialized,
    levels_of,
    nearest_indices,
    quantize,
    words,
)
from lossy_lightning.codecs.learned._signals import from_unit, grid_of, output_of, stride_of, to_unit
from lossy_lightning.core import Codec, CodeSpec, Field, InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import crop, pad_to_multiple, undisturbed


class VQVAE(Codec, nn.Module):
    """A learned codec: an encoder makes features, a quantizer indices of them, a decoder a signal of its words.

    Images are uint8, sounds int16; both are scaled to [-1, 1] for the networks. Each cell of the grid gets as many
    indices as the quantizer has (stages or codebooks), each from 0 to its number of words less one. `VQVAETask` and
    `JointTask` train it; `from_checkpoint` takes it from the checkpoint of such a run.

    `encode` and `decode` never train anything, whatever mode the codec is in, and compute in float64, so that a code
    does not depend on the batch that its signal came in.

    Args:
        encoder: Signal ``(N, channels, *size)`` to features ``(N, dim, *grid)``. Its attribute ``stride`` tells the
            samples of a cell along each axis, one axis for sounds and two for images; sizes come padded to multiples
            of it, and ``grid = size / stride``.
        quantizer: A `VectorQuantize`, `ResidualVQ`, `FSQ` or `LFQ` of vector-quantize-pytorch, that takes ``dim``
            features as they are.
        decoder: Quantized features ``(N, dim, *grid)`` to a signal ``(N, channels, *(grid * stride))``.
        sample_rate: Sound: the rate in Hz that it is trained for.

    Raises:
        ValueError: If the encoder tells no stride, or the quantizer is another or changes the features itself.

    Source:
        van den Oord et al., Neural discrete representation learning, NeurIPS 2017; Zeghidour et al., SoundStream,
        IEEE TASLP 30, 2022 (residual); Mentzer et al., Finite scalar quantization, ICLR 2024; Yu et al., Language
        model beats diffusion, ICLR 2024 (LFQ).

    Example:
        >>> from vector_quantize_pytorch import LFQ
        >>> from lossy_lightning.nn import BlockDecoder, BlockEncoder
        >>> codec = VQVAE(BlockEncoder((4, 4), dim=4), LFQ(dim=4), BlockDecoder((4, 4), dim=4))
        >>> codec.encode(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape, codec.spec((1, 28, 28)).num_bits
        (torch.Size([2, 1, 7, 7]), 196)
    """

    learned = True
    idempotent = False

    def __init__(
        self, encoder: nn.Module, quantizer: nn.Module, decoder: nn.Module, sample_rate: int | None = None
    ) -> None:
        super().__init__()
        stride = stride_of(encoder, "VQVAE")
        check_quantizer(quantizer)
        if not isinstance(decoder, nn.Module):
            raise InputError(f"the decoder of a VQVAE is a module, such as BlockDecoder((4, 4), 4); got {decoder!r}")
        if sample_rate is not None:
            check_integers(1, sample_rate=sample_rate)
        self.encoder = encoder
        self.quantizer = quantizer
        self.decoder = decoder
        self.sample_rate = sample_rate
        self.stride = stride
        self._dim = dim_of(quantizer)

    @classmethod
    def from_checkpoint(cls, path: str | Path) -> "VQVAE":
        """The codec in the checkpoint of a `VQVAETask` or `JointTask` that the command line ran.

        In YAML: ``codec: {class_path: lossy_lightning.codecs.VQVAE.from_checkpoint, init_args: {path: …}}``.

        Args:
            path: Of the checkpoint.

        Raises:
            ValueError: If there is no such file, it is no checkpoint, or it holds no such codec.
        """
        return codec_of(path, cls, "a VQVAETask or JointTask")

    @property
    def dim(self) -> int:
        """Number of features of a cell."""
        return self._dim

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of words of each index."""
        return tuple(levels_of(self.quantizer))

    def forward(self, signal: Tensor) -> Latents:
        """Quantized features of a signal ``(N, channels, *size)``, with gradients; what training goes through.

        Raises:
            ValueError: If the encoder was made for other signals, or for other features than the quantizer.
        """
        latents: Latents = quantize(self.quantizer, self._features(self.encoder, to_unit(signal)))
        return latents

    def reconstruct(self, values: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Signal in [-1, 1] of quantized features, cropped to ``shape``, with gradients.

        Raises:
            ValueError: If the decoder was made for other features or signals, or the shape is larger than its signal.
        """
        return crop(self._signal(self.decoder, values, shape), shape[-len(self.stride) :])

    def encode(self, signal: Tensor) -> Tensor:
        """Indices of a signal ``(..., channels, *size)``: ``(..., indices, *grid)``.

        Raises:
            ValueError: If the signal is not of the codec's axes and dtype, or has no samples; if the encoder was made
                for other signals, or for other features than the quantizer.
            RuntimeError: If the codebooks await the first batch of training.
        """
        if not is_initialized(self.quantizer):
            raise RuntimeError("this VQVAE has no codebooks yet; train it, or take it from a checkpoint")
        self._check(signal)
        axes = len(self.stride) + 1
        spec, batch = self.spec(tuple(signal.shape[-axes:])), signal.shape[:-axes]
        with undisturbed(self):
            unit = to_unit(signal.reshape(-1, *signal.shape[-axes:]), torch.float64)
            indices = nearest_indices(self.quantizer, self._features(partial(in_double, self.encoder), unit))
        return indices.to(spec.dtype).view(*batch, *indices.shape[1:])

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Signal of a code ``(..., indices, *grid)``, rounded to whole samples and cropped to ``shape``.

        Raises:
            ValueError: If the code is none of this codec, or the shape larger than its signal; if the decoder was made
                for other features or signals.
        """
        axes = len(self.stride) + 1
        self._spec((None,) * len(self.stride)).check(code)
        batch = code.shape[:-axes]
        with undisturbed(self):
            values = words(self.quantizer, code.reshape(-1, *code.shape[-axes:]).long())
            signal = from_unit(self._signal(partial(in_double, self.decoder), values, shape), self.dtype)
        signal = signal.view(*batch, *signal.shape[1:])
        return signal if shape is None else crop(signal, shape[-len(self.stride) :])

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """One channel an index, on the grid of cells.

        Raises:
            ValueError: If the shape has not one size of at least 1 an axis of the stride, after the channels.
        """
        if len(shape) != len(self.stride) + 1:
            raise InputError(
                f"this VQVAE takes signals (channels, *size) with {len(self.stride)} sizes; got shape {tuple(shape)}"
            )
        return self._spec(grid_of(shape[1:], self.stride))

    def _spec(self, grid: tuple[int | None, ...]) -> CodeSpec:
        high = tuple(levels - 1 for levels in self.levels)
        return CodeSpec([Field("code", (0,) * len(high), high, ordinal=False)], grid)

    def codebooks(self) -> Tensor | None:
        """``(indices, levels, dim)``, of features; None if the indices have codebooks of unequal size."""
        return torch.stack(books_of(self.quantizer)) if len(set(self.levels)) == 1 else None

    @property
    def dtype(self) -> torch.dtype:
        """Of the signals: uint8 for images, int16 for sounds."""
        return torch.uint8 if len(self.stride) == 2 else torch.int16

    def _check(self, signal: Tensor) -> None:
        if signal.ndim < len(self.stride) + 1 or signal.dtype != self.dtype:
            raise InputError(
                f"this VQVAE takes signals (..., channels, *size) with {len(self.stride)} sizes, of {self.dtype}; got "
                f"shape {tuple(signal.shape)} of {signal.dtype}"
            )

    def _features(self, encoder: Callable[[Tensor], Tensor], unit: Tensor) -> Tensor:
        """``(N, dim, *grid)``, of signals in [-1, 1]."""
        padded = pad_to_multiple(unit, self.stride)
        sizes = [size // width for size, width in zip(padded.shape[2:], self.stride, strict=True)]
        return output_of(encoder, "encoder", padded, self.dim, sizes)

    def _signal(self, decoder: Callable[[Tensor], Tensor], values: Tensor, shape: tuple[int, ...] | None) -> Tensor:
        """Padded signals in [-1, 1] of quantized features; the shape tells the channels, which the codec does not."""
        sizes = [size * width for size, width in zip(values.shape[2:], self.stride, strict=True)]
        channels = shape[-1 - len(sizes)] if shape and len(shape) > len(sizes) else None
        return output_of(decoder, "decoder", values, channels, sizes)
