"""The conventional pipeline as a codec: decode first, then learn on what comes out."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Self

from torch import Tensor

from lossy_lightning.codecs.pcm import PCM
from lossy_lightning.core import Codec, CodeSpec, InputError, TrainableCodec


class Decoded(TrainableCodec):
    """The decoded signal of a codec, seen through another one.

    ``Decoded(VQ((4, 4), 16))`` yields 8-bit pixels that hold exactly the information of the 4-bit codes, so that
    learning on codes and on decoded signals differ in nothing else. ``Decoded(JPEG(quality=50))`` yields, to the bit,
    the pixels that libjpeg decodes from the same file. ``Decoded(MP3(32, 16_000), PCM(16))`` yields the samples that
    libsndfile's mpg123 decodes, as many as the sound has: delay and padding are cut off.

    Args:
        codec: What the signal goes through first.
        view: How the decoded signal is coded; by default as its own samples.

    Raises:
        ValueError: If either is no codec.

    Example:
        >>> import torch
        >>> Decoded(PCM()).encode(torch.tensor([[7, 250]], dtype=torch.uint8))
        tensor([[  7, 250]], dtype=torch.uint8)
    """

    def __init__(self, codec: Codec, view: Codec = PCM()) -> None:
        super().__init__()
        if not isinstance(codec, Codec) or not isinstance(view, Codec):
            raise InputError(f"Decoded takes codecs, such as JPEG() and PCM(); got {codec=}, {view=}")
        self.codec = codec
        self.view = view
        self.sample_rate = codec.sample_rate
        self.on_device = codec.on_device and view.on_device
        self.learned = codec.learned or view.learned
        self.keeps_phase = codec.keeps_phase and view.keeps_phase
        # Any other codec pads the edges anew after they were cropped, and so may code them differently.
        self.idempotent = isinstance(codec, PCM) and view.idempotent

    @property
    def fitted(self) -> bool:
        """Whether both codecs are."""
        return all(c.fitted for c in (self.codec, self.view) if isinstance(c, TrainableCodec))

    def fit(self, signals: Iterable[Tensor]) -> Self:
        """Fit the codec to the signals and the view to what the codec makes of them, if they need that."""
        if isinstance(signals, Iterator):
            signals = list(signals)  # read twice
        if isinstance(self.codec, TrainableCodec) and not self.codec.fitted:
            self.codec.fit(signals)
        if isinstance(self.view, TrainableCodec) and not self.view.fitted:
            self.view.fit(self.codec.round_trip(batch) for batch in signals)
        return self

    def prepare(self) -> None:
        """Fetch what either codec needs."""
        self.codec.prepare()
        self.view.prepare()

    def encode(self, signal: Tensor) -> Tensor:
        """The view's code of the decoded signal."""
        return self.view.encode(self.codec.round_trip(signal))

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """The view's signal."""
        return self.view.decode(code, shape)

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """The view's spec."""
        return self.view.spec(shape)

    def encoding_macs(self, shape: tuple[int, ...], decoded: bool = False) -> Counter[int]:
        """The codec's, decoding included, and the view's."""
        return self.codec.encoding_macs(shape, decoded=True) + self.view.encoding_macs(shape, decoded)

    def codebooks(self) -> Tensor | None:
        """The view's codebooks."""
        return self.view.codebooks()

    def fingerprint(self) -> str:
        """Class and both codecs' fingerprints, which may name the files of models."""
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return f"{name}({self.codec.fingerprint()}, {self.view.fingerprint()})"
