"""MP3: quantized MDCT coefficients, as they stand in files."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossy_lightning.codecs.standards import _lame as lame
from lossy_lightning.codecs.standards._mp3_layout import DELAY, LINES, MP3Layout
from lossy_lightning.core import CodeSpec, FileCodec, FileInfo, InputError
from lossy_lightning.core.arguments import check_integers


class MP3(FileCodec):
    """MP3 (Layer III of MPEG-1, 2 and 2.5) of sounds at one sampling rate; LAME encodes.

    A sound ``(channels, samples)`` int16 gives one tensor with a position for each granule of 576 samples, rounded up
    to frames (of two granules from 32 kHz on), of which there are enough for the encoder's delay as well:
    ``samples + 1152``. Its fields are the quantized levels, 576 a channel, and what a decoder needs to know of them.
    Levels stand by frequency; short blocks have theirs interleaved, ``3 f + w`` for frequency and window.

    A code decoded without a shape gives all that a decoder puts out, 576 samples a granule. With the sound's own shape,
    the delay of LAME and a decoder is cut off, 1105 samples, and what is behind the end.

    Args:
        bit_rate: In kbit/s, constant, of what is encoded; files may have any.
        sample_rate: In Hz.
        channels: 1, or 2: plain or joint stereo, or two languages.
        dequantize: Whether levels are spectral lines in common units instead, joint stereo undone, so that bit rates
            can mix: ``round(sign(x) * |x| ** (3/4) * 32767)``, cut to that range. Only the kinds of blocks follow. What
            they decode to is off by about one step (RMS), -90 dB of full scale, and they cannot be written to files.

    Raises:
        ValueError: If an argument is none of these.

    Source: ISO 11172-3 (1993); ISO 13818-3 (1998).

    Example:
        >>> codec = MP3(bit_rate=32, sample_rate=16_000)
        >>> code = codec.encode(torch.zeros(1, 5760, dtype=torch.int16))
        >>> code.shape, codec.decode(code, (1, 5760)).shape
        (torch.Size([623, 12]), torch.Size([1, 5760]))
    """

    on_device = False
    idempotent = False
    extensions = (".mp3",)

    def __init__(
        self, bit_rate: int = 128, sample_rate: int = 44_100, channels: int = 1, dequantize: bool = False
    ) -> None:
        check_integers(1, bit_rate=bit_rate, sample_rate=sample_rate, channels=channels)
        if sample_rate not in lame.SAMPLE_RATES:
            raise InputError(f"MP3 has sampling rates of {lame.SAMPLE_RATES} Hz; got {sample_rate=}")
        if bit_rate not in lame.bit_rates(sample_rate):
            raise InputError(f"MP3 at {sample_rate} Hz has {lame.bit_rates(sample_rate)} kbit/s; got {bit_rate=}")
        if channels not in (1, 2):
            raise InputError(f"MP3 has 1 or 2 channels; got {channels=}")
        self.bit_rate = bit_rate
        self.sample_rate: int = sample_rate
        self.channels = channels
        self.dequantize = dequantize
        self._layout = MP3Layout(channels, sample_rate, dequantize)
        self.signal_shape = (channels, None)
        self.pitch = (LINES * self._layout.granules_a_frame,)

    def encode(self, signal: Tensor) -> Tensor:
        """Code of sounds, one by one: ``(..., channels, samples)`` int16 to ``(..., C, granules)`` int16.

        Raises:
            ValueError: If the signal is not int16, empty, or of another number of channels.
        """
        codes = [self.read(data)[0].mT for data in self._files(signal)]
        code = torch.stack(codes).reshape(*signal.shape[:-2], *codes[0].shape).mT.to(signal.device)
        self.spec(tuple(signal.shape[-2:])).check_layout(code)
        return code

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Sound ``(..., channels, samples)`` int16, rounded and clipped; without a shape all 576 samples a granule.

        Raises:
            ValueError: If the code is not of that shape.
        """
        self._layout.spec(None if shape is None else self._layout.granules(shape[-1])).check_layout(code)
        sound = self._layout.sound(code)
        if shape is not None:
            sound = sound[..., DELAY : DELAY + shape[-1]]
        return (sound * 2**15).round().clamp(-(2**15), 2**15 - 1).to(torch.int16)

    def round_trip(self, signal: Tensor) -> Tensor:
        """The sound that mpg123 decodes, which libsndfile has, much faster; `decode` gives the same, within rounding.

        Raises:
            ValueError: As `encode`.
        """
        if self.dequantize:
            return super().round_trip(signal)
        sounds = [torch.from_numpy(lame.decode(data, signal.shape[-1], DELAY)) for data in self._files(signal)]
        return torch.stack(sounds).reshape(signal.shape).to(signal.device)

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """Fields named as the standard names them, on a grid of granules.

        Raises:
            ValueError: If the shape is not (channels, samples).
        """
        if len(shape) != 2 or shape[0] != self.channels:
            raise InputError(f"this codec takes sounds of shape ({self.channels}, samples); got {tuple(shape)}")
        return self._layout.spec(None if shape[1] is None else self._layout.granules(shape[1]))

    def steps(self) -> dict[str, Tensor] | None:
        """Ones for dequantized levels; None otherwise, for gains travel with the code in fields of their own."""
        return {"levels": torch.ones(LINES * self.channels)} if self.dequantize else None

    def read(self, data: bytes) -> tuple[Tensor, tuple[int, ...]]:
        """Code in an MP3 file, and its sound's shape; entropy decoding only.

        The sound is as long as the file's LAME tag says, if that can be; else as long as its code allows.

        Raises:
            ValueError: If the file is broken, or of another sampling rate or number of channels.
        """
        (info,) = self.measure([data])
        if isinstance(info, ValueError):
            raise info
        code = torch.empty(*info.grid, self._layout.num_channels, dtype=torch.int16).mT
        (error,) = self.read_into([data], [code])
        if error is not None:
            raise error
        return code, info.signal_shape

    def measure(self, files: Sequence[bytes], lenient: bool = False) -> list[FileInfo | ValueError]:
        """Look at the headers of files: their sounds' shape, and their granules."""
        from lossy_lightning.codecs.standards._mp3_files import measure  # slow to import

        return measure(self._layout, files, lenient)

    def read_into(
        self,
        files: Sequence[bytes],
        rows: Sequence[Tensor],
        windows: Sequence[Sequence[slice]] | None = None,
        lenient: bool = False,
        num_threads: int = 1,
        infos: Sequence[FileInfo] | None = None,
    ) -> list[ValueError | None]:
        """Read the codes of files, or windows of them, into rows; compiled, and without the GIL.

        A window is found by seeking, so damage in front of it is seen in headers only, and damage behind it not at all.
        """
        from lossy_lightning.codecs.standards._mp3_files import read_rows  # slow to import

        return read_rows(self._layout, files, rows, windows, lenient, num_threads)

    def write(self, code: Tensor, shape: tuple[int, ...]) -> bytes:
        """Bytes of an MP3 file that holds this code of a sound of that shape, at the codec's bit rate if it fits.

        Raises:
            ValueError: If the code is not of that shape, a batch, or dequantized.
        """
        if code.ndim != 2 or self.dequantize:
            raise InputError(
                f"an MP3 file holds one code (channels, granules) of quantized levels; got shape {tuple(code.shape)}, "
                f"dequantize={self.dequantize}"
            )
        from lossy_lightning.codecs.standards._mp3_writing import write  # slow to import

        self.spec(shape).check(code)
        values = {name: value.numpy() for name, value in self._layout.values(code.cpu()).items()}
        return write(self._layout, values, self.bit_rate, shape[-1])

    def _files(self, signal: Tensor) -> list[bytes]:
        """The MP3 file of each sound."""
        if signal.dtype != torch.int16 or signal.ndim < 2 or signal.shape[-2] != self.channels or not signal.shape[-1]:
            raise InputError(
                f"this codec takes sounds (..., {self.channels}, samples) of int16 samples at {self.sample_rate} Hz; "
                f"got {signal.dtype} of shape {tuple(signal.shape)}"
            )
        sounds = signal.reshape(-1, *signal.shape[-2:]).cpu().numpy()
        return [lame.encode(sound, self.sample_rate, self.bit_rate) for sound in sounds]
