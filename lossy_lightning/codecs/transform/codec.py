"""A transform and a quantizer of what it puts out, as one codec."""

from collections.abc import Iterable
from typing import Self

from torch import Tensor

from lossy_lightning.codecs.transform.analysis import Analysis
from lossy_lightning.core import Codec, CodeSpec, InputError, TrainableCodec


class TransformCodec(TrainableCodec):
    """Real values of a signal, such as its spectrogram, quantized.

    ``TransformCodec(Spectrogram(), VQ((2, 2), 16))`` makes 64x64 codes of 4 bits of a second at 16 kHz,
    ``TransformCodec(Spectrogram(), Uniform(8))`` 128x128 of 8 bits. There is something to fit if the quantizer
    has something to fit.

    Args:
        analysis: Makes real values of a signal.
        quantizer: A codec of float32 values, such as `VQ` or `Uniform`.

    Raises:
        ValueError: If they are none.

    Example:
        >>> import torch
        >>> from lossy_lightning.codecs import Spectrogram, Uniform
        >>> codec = TransformCodec(Spectrogram(), Uniform(8, low=-7.0, high=4.0))
        >>> codec.encode(torch.zeros(1, 16_000, dtype=torch.int16)).shape
        torch.Size([1, 128, 128])
    """

    idempotent = False

    def __init__(self, analysis: Analysis, quantizer: Codec) -> None:
        super().__init__()
        if not isinstance(analysis, Analysis) or not isinstance(quantizer, Codec):
            raise InputError(
                "TransformCodec takes an analysis and a codec, such as Spectrogram() and Uniform(8); got "
                f"{analysis=}, {quantizer=}"
            )
        self.analysis = analysis
        self.quantizer = quantizer
        self.sample_rate = analysis.sample_rate
        self.learned = quantizer.learned
        self.keeps_phase = analysis.keeps_phase
        self.on_device = quantizer.on_device

    @property
    def fitted(self) -> bool:
        """Whether the quantizer is."""
        return not isinstance(self.quantizer, TrainableCodec) or self.quantizer.fitted

    def fit(self, signals: Iterable[Tensor]) -> Self:
        """Fit the quantizer to the signals' values, if it needs that."""
        if isinstance(self.quantizer, TrainableCodec) and not self.quantizer.fitted:
            self.quantizer.fit(self.analysis(batch) for batch in signals)
        return self

    def prepare(self) -> None:
        """Fetch what the quantizer needs."""
        self.quantizer.prepare()

    def encode(self, signal: Tensor) -> Tensor:
        """The quantizer's code of the signal's values."""
        return self.quantizer.encode(self.analysis(signal))

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """A signal of the quantized values."""
        return self.analysis.inverse(self.quantizer.decode(code), shape)

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """The quantizer's spec of values of the analysis' shape."""
        return self.quantizer.spec(self.analysis.shape(shape))

    def codebooks(self) -> Tensor | None:
        """The quantizer's codebooks."""
        return self.quantizer.codebooks()
