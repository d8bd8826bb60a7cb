"""A transform and a quantizer of what it puts out, as one codec."""

from collections.abc import Iterable
from typing import Self

from torch import Tensor, nn

from lossy_lightning.codecs.quantizers import Quantizer
from lossy_lightning.codecs.transform._fields import FieldQuantizers
from lossy_lightning.codecs.transform._lines import LineQuantizer
from lossy_lightning.codecs.transform.analysis import Analysis, FieldAnalysis
from lossy_lightning.core import Codec, CodeSpec, InputError, TrainableCodec


class TransformCodec(TrainableCodec):
    """Real values of a signal, such as its spectrogram or its wavelets, quantized.

    ``TransformCodec(Spectrogram(), VQ((2, 2), 16))`` makes 64x64 codes of 4 bits of a second at 16 kHz,
    ``TransformCodec(Wavelet(3), DeadZone(0.5))`` a field of each subband of an image. There is something to fit if the
    quantizer has something to fit.

    If the analysis names fields, as `Wavelet`, `HEVCTransform` and `MDCT` do, a scalar quantizer keeps them: their
    levels are as few as their values can reach, and steps are multiplied with the analysis' units. A dict of scalar
    quantizers, one for each field, quantizes each with its own, in the units of the values.

    Args:
        analysis: Makes real values of a signal.
        quantizer: A codec of float32 values, such as `DeadZone`, `VQ` or `Psychoacoustic`; or a dict from the names
            of all fields to scalar quantizers.

    Raises:
        ValueError: If they are none, a dict names other fields than those of the analysis, or a quantizer of spectral
            lines has another size than the analysis.

    Example:
        >>> import torch
        >>> from lossy_lightning.codecs import Spectrogram, Uniform
        >>> codec = TransformCodec(Spectrogram(), Uniform(8, low=-7.0, high=4.0))
        >>> codec.encode(torch.zeros(1, 16_000, dtype=torch.int16)).shape
        torch.Size([1, 128, 128])
    """

    idempotent = False

    def __init__(self, analysis: Analysis, quantizer: Codec | dict[str, Quantizer]) -> None:
        super().__init__()
        self.by_field = nn.ModuleDict()  # those of a dict, so that they are saved and moved
        each: list[Codec] = list(quantizer.values()) if isinstance(quantizer, dict) else [quantizer]
        kind = Quantizer if isinstance(quantizer, dict) else Codec
        if not isinstance(analysis, Analysis) or not each or not all(isinstance(one, kind) for one in each):
            raise InputError(
                "TransformCodec takes an analysis and a codec, such as Spectrogram() and Uniform(8), or a dict of "
                f"scalar quantizers by field; got {analysis=}, {quantizer=}"
            )
        self._fields: FieldQuantizers | None = None
        if isinstance(quantizer, LineQuantizer):
            _check_lines(analysis, quantizer)
        if isinstance(quantizer, dict):
            if not isinstance(analysis, FieldAnalysis):
                raise InputError(f"{analysis} names no fields, so it takes one quantizer; got {list(quantizer)}")
            self.by_field.update(quantizer)
        if isinstance(analysis, FieldAnalysis) and isinstance(quantizer, Quantizer | dict):
            self._fields = FieldQuantizers(analysis, quantizer)
        self.analysis = analysis
        self.quantizer = quantizer
        self.sample_rate = next((rate for rate in (analysis.sample_rate, *(q.sample_rate for q in each)) if rate), None)
        self.learned = any(one.learned for one in each)
        self.keeps_phase = analysis.keeps_phase
        self.on_device = all(one.on_device for one in each)
        self._each = each

    @property
    def fitted(self) -> bool:
        """Whether the quantizers are."""
        return all(one.fitted for one in self._each if isinstance(one, TrainableCodec))

    def fit(self, signals: Iterable[Tensor]) -> Self:
        """Fit the quantizers to the signals' values, if they need that."""
        if not self.fitted:
            if self._fields is not None:
                self._fields.fit(signals)
            elif isinstance(self.quantizer, TrainableCodec):
                self.quantizer.fit(self.analysis(batch) for batch in signals)
        return self

    def prepare(self) -> None:
        """Fetch what the quantizers need."""
        for one in self._each:
            one.prepare()

    def encode(self, signal: Tensor) -> Tensor:
        """The quantizer's code of the signal's values."""
        return self._whole.encode(self.analysis(signal)) if self._fields is None else self._fields.encode(signal)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """A signal of the quantized values."""
        if self._fields is not None:
            return self._fields.decode(code, shape)
        return self.analysis.inverse(self._whole.decode(code), shape)

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """The analysis' fields, with the levels that their values reach; or those that the quantizer makes."""
        if self._fields is not None and isinstance(self.analysis, FieldAnalysis):
            return self._fields.spec(self.analysis.layout(shape))
        return self._whole.spec(self.analysis.shape(shape))

    def steps(self) -> dict[str, Tensor] | None:
        """The step of each field, in the analysis' values, if the number of its channels is always the same."""
        return self._whole.steps() if self._fields is None else self._fields.steps()

    def codebooks(self) -> Tensor | None:
        """The quantizer's codebooks."""
        return None if self._fields is not None else self._whole.codebooks()

    @property
    def _whole(self) -> Codec:
        """The quantizer of all values together."""
        assert isinstance(self.quantizer, Codec)
        return self.quantizer


def _check_lines(analysis: Analysis, quantizer: LineQuantizer) -> None:
    """Raise an `InputError` if an analysis makes no lines, or others than a quantizer takes."""
    sound = isinstance(analysis, FieldAnalysis) and analysis.signal_axes == 2
    lines = analysis.shape((1, None))[0] if sound else None
    if lines != quantizer.size:
        makes = f"makes {lines} lines" if sound else "makes no spectral lines of sound"
        raise InputError(
            f"{analysis} {makes}, and {type(quantizer).__name__} takes {quantizer.size}: give it MDCT({quantizer.size})"
        )
