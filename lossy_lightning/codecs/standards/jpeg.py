"""JPEG: quantized DCT coefficients, as they stand in files."""

from collections.abc import Sequence
from math import lcm, prod
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lossy_lightning.codecs.standards._jpeg_layout import JPEGLayout, own_tables
from lossy_lightning.core import CodeSpec, Field, FileCodec, FileInfo, InputError
from lossy_lightning.functional import (
    SAMPLING_FACTORS,
    coefficients_to_image,
    image_to_coefficients,
    pad_to_mcus,
    round_divide,
)

MAX_PIXELS = 2**27  #: of an image in a file
_COMPONENTS = ("luma", "cb", "cr")
_TABLES = ("luma_table", "cb_table", "cr_table")


class _Components(NamedTuple):
    """What a code holds: coefficients ``(..., rows, columns, 8, 8)`` and tables ``(..., 8, 8)`` of each component."""

    coefficients: tuple[Tensor, ...]
    tables: tuple[Tensor, ...]


class JPEG(FileCodec):
    """Baseline JPEG of grey or RGB images, to the bit what libjpeg-turbo writes and decodes (accurate integer DCT).

    An image ``(C, H, W)`` gives one tensor with an MCU per grid cell and 64 channels per block, in natural order
    ``[v][u]``: ``(64, H/8, W/8)`` for grey; ``(384, H/16, W/16)`` for 4:2:0, with the channels Y00 Y01 Y10 Y11 Cb Cr;
    ``(256, H/8, W/16)`` for 4:2:2; ``(192, H/8, W/8)`` for 4:4:4, sizes rounded up.

    Levels are -1024 to 1023. Dequantized ones are -2048 to 2047, whatever the tables: a coefficient of 8-bit samples
    is at most 1024, and rounding to a multiple of a step at most doubles it.

    Args:
        quality: 1 (coarse) to 100 (fine); scales the standard's example tables as libjpeg does.
        chroma_subsampling: ``"4:4:4"``, ``"4:2:2"``, ``"4:2:0"``, ``"4:4:0"`` or ``"4:1:1"``. Unused for grey images.
        dequantize: Whether codes are coefficients times their table, so that qualities can mix. They are written with
            the codec's own tables, unless they carry their file's.
        tables: Whether the quantization table of each component follows as 64 constant channels, 1 to 255, natural
            order: 64 more channels for grey, 192 for colour, since files may have a table each for Cb and Cr.
        requantize: Whether coefficients of files with other tables are rounded to multiples of the codec's own. No
            pixel is computed, so that nothing of the file is lost but by that rounding.
        quantization_tables: Two 8 x 8 tables, for luma and for chroma, in natural order, 1 to 255; they take the place
            of the quality's.

    Raises:
        ValueError: If an argument is none of these.

    Source: ITU-T T.81 (1992); T.871 (2011), JFIF.

    Example:
        >>> codec = JPEG(quality=75)
        >>> code = codec.encode(torch.full((3, 30, 40), 128, dtype=torch.uint8))
        >>> code.shape, codec.decode(code, (3, 30, 40)).shape
        (torch.Size([384, 2, 3]), torch.Size([3, 30, 40]))
    """

    idempotent = False  # averaged chroma, clipped pixels
    extensions = (".jpg", ".jpeg", ".jpe", ".jfif")
    header_bytes = 2**16  # long metadata may take more
    signal_shape = (3, None, None)

    def __init__(
        self,
        quality: int = 75,
        chroma_subsampling: str = "4:2:0",
        dequantize: bool = False,
        tables: bool = False,
        requantize: bool = False,
        quantization_tables: Sequence[Sequence[Sequence[int]]] | Tensor | None = None,
    ) -> None:
        if chroma_subsampling not in list(SAMPLING_FACTORS):
            raise InputError(f"chroma_subsampling must be one of {list(SAMPLING_FACTORS)}; got {chroma_subsampling!r}")
        self.quality = quality
        self.chroma_subsampling = chroma_subsampling
        self.dequantize = dequantize
        self.tables = tables
        self.requantize = requantize
        self.quantization_tables = quantization_tables
        self._tables = own_tables(quality, quantization_tables)
        luma, chroma = self._tables
        self._component_tables = luma, chroma, chroma
        h, v = self._factors(3)
        self.pitch = lcm(16, 8 * v), lcm(16, 8 * h)  # that of 4:2:0 too, so that all subsamplings take the same crops
        self._layout = JPEGLayout(
            repr(self), chroma_subsampling, (h, v), self._component_tables, dequantize, tables, requantize
        )

    def encode(self, signal: Tensor) -> Tensor:
        """Coefficients of images: ``(..., C, H, W)`` uint8 to ``(..., C', *grid)`` int16.

        On the CPU compiled code computes them, in as many threads as torch uses; elsewhere tensors do, to the bit.

        Raises:
            ValueError: If the signal is not uint8 with one or three channels.
        """
        _check_image(signal)
        factors = self._factors(signal.shape[-3])
        if _is_plain(signal):
            from lossy_lightning.codecs.standards._jpeg_pixels import codes_of  # slow to import

            return codes_of(signal, self._layout)
        luma, *chroma = image_to_coefficients(signal, self._tables, factors)
        tables = self._own_tables(signal.shape[-3], signal.device)
        levels = self._levels(_Components((pad_to_mcus(luma, factors), *chroma), tables))
        parts = {name: c.flatten(-2).movedim(-1, -3) for name, c in zip(_COMPONENTS, levels, strict=False)}
        if self.tables:
            batch = signal.shape[:-3]
            carried = (table.to(torch.int16).view(64, 1, 1).expand(*batch, 64, 1, 1) for table in tables)
            parts |= dict(zip(_TABLES, carried, strict=False))
        return self.spec(tuple(signal.shape[-3:])).join(parts)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """The image that libjpeg decodes, ``(..., C, H, W)`` uint8; whole MCUs if no shape is given.

        Compiled on the CPU, as `encode`.

        Raises:
            ValueError: If the code is not of that shape.
        """
        components, shape = self._unpack(code, shape)
        tables = [torch.ones_like(t) if self.dequantize else t for t in components.tables]
        if _is_plain(code) and code.dtype == torch.int16:
            from lossy_lightning.codecs.standards._jpeg_pixels import images_of  # slow to import

            image = images_of(code, tables, self._factors(shape[0]), shape)
            if image is not None:
                return image
        tables = [table[..., None, None, :, :] for table in tables]
        return coefficients_to_image(components.coefficients, tables, shape[1:], self._factors(shape[0]))

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """Fields luma, cb and cr on the grid of MCUs, luma with its blocks as cells, then the tables of each.

        Raises:
            ValueError: If the shape is not (1 or 3, height, width).
        """
        if len(shape) != 3 or shape[0] not in (1, 3):
            raise InputError(f"JPEG takes images of shape (1 or 3, height, width); got {tuple(shape)}")
        h, v = self._factors(shape[0])
        grid = [
            None if size is None else -(-size // (8 * factor)) for size, factor in zip(shape[1:], (v, h), strict=True)
        ]
        limit = self._layout.limit
        cells = ((v, h), (), ())
        carried = self.tables and not self.dequantize
        fields = [
            Field(name, (-limit,) * 64, (limit - 1,) * 64, True, own, steps_from=table if carried else None)
            for name, table, own in zip(_COMPONENTS[: shape[0]], _TABLES, cells, strict=False)
        ]
        if self.tables:
            fields += [Field(name, (1,) * 64, (255,) * 64, True, constant=True) for name in _TABLES[: shape[0]]]
        return CodeSpec(fields, grid)

    def steps(self) -> dict[str, Tensor] | None:
        """The codec's own quantization tables by component, 64 values each, natural order.

        Ones if codes are dequantized; None if they carry their tables.
        """
        if self.tables and not self.dequantize:
            return None
        tables = (table.flatten().float() for table in self._component_tables)
        return {
            name: torch.ones_like(table) if self.dequantize else table
            for name, table in zip(_COMPONENTS, tables, strict=True)
        }

    def read(self, data: bytes) -> tuple[Tensor, tuple[int, ...]]:
        """Code in a JPEG file, and its image's shape; entropy decoding only.

        Chroma of another subsampling is brought to the codec's in the DCT domain, if the codec takes other tables.

        Raises:
            ValueError: If the file is broken, or its colour space, tables or levels are not for this codec; the message
                says what to do.
        """
        from lossy_lightning.codecs.standards._jpeg_files import read_rows  # slow to import

        (info,) = self.measure([data])
        if isinstance(info, ValueError):
            raise info
        if prod(info.signal_shape[1:]) > MAX_PIXELS:
            raise InputError(f"{prod(info.signal_shape[1:])} pixels are more than the {MAX_PIXELS} that are read")
        channels = self._layout.num_channels(info.signal_shape[0])
        code = torch.empty(*info.grid, channels, dtype=torch.int16).movedim(-1, 0)
        (error,) = read_rows(self._layout, [data], [code], None, False, 1, [info], exact=True)
        if error is not None:
            raise error
        return code, info.signal_shape

    def measure(self, files: Sequence[bytes], lenient: bool = False) -> list[FileInfo | ValueError]:
        """Look at the headers of files; a grey one has one channel. How long the data are is seen only in reading."""
        from lossy_lightning.codecs.standards._jpeg_files import measure  # slow to import

        return measure(self._layout, files)

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

        A grey file in a row for colour gets chroma of zeros. Chroma of another subsampling is brought to the codec's as
        `read` does. Levels that no encoder of 8-bit images makes are cut to the codec's range: `read` would refuse
        them, but here they may lie out of the window. Of a baseline file only the window is kept while it is decoded.
        """
        from lossy_lightning.codecs.standards._jpeg_files import read_rows  # slow to import

        return read_rows(self._layout, files, rows, windows, lenient, num_threads, infos)

    def write(self, code: Tensor, shape: tuple[int, ...]) -> bytes:
        """Bytes of a baseline JPEG file that holds this code; decoders make the same pixels of it.

        Raises:
            ValueError: If the code is not of that shape, or a batch.
        """
        from lossy_lightning.bitstream.jpeg import JPEGCoefficients, JPEGComponent, write_coefficients  # slow to import

        if code.ndim != 3:
            raise InputError(f"a JPEG file holds one code (channels, rows, columns); got shape {tuple(code.shape)}")
        (coefficients, tables), (channels, height, width) = self._unpack(code.cpu(), shape)
        if self.dequantize:
            limit = self._layout.limit  # no multiple of a step may leave the range, or `read` would refuse the file
            coefficients = tuple(
                torch.clamp(round_divide(c, table), -(limit // table), (limit - 1) // table)
                for c, table in zip(coefficients, tables, strict=True)
            )
        factors = [self._factors(channels), (1, 1), (1, 1)]
        components = tuple(
            JPEGComponent(np.ascontiguousarray(c.numpy(), np.int16), table.numpy().astype(np.uint16), f)
            for c, table, f in zip(coefficients, tables, factors, strict=False)
        )
        image = JPEGCoefficients(width, height, "grey" if channels == 1 else "YCbCr", components)
        # Only codes that no encoder makes need more than the standard Huffman tables.
        optimize = max(np.abs(component.coefficients).max() for component in components) > 1023
        return write_coefficients(image, optimize=bool(optimize))

    def _factors(self, channels: int) -> tuple[int, int]:
        return SAMPLING_FACTORS[self.chroma_subsampling] if channels == 3 else (1, 1)

    def _own_tables(self, components: int, device: torch.device | None = None) -> tuple[Tensor, ...]:
        return tuple(table.to(device) for table in self._component_tables[:components])

    def _levels(self, components: _Components) -> tuple[Tensor, ...]:
        """What the code says of quantized coefficients, int16: themselves, or times their tables.

        What is beyond int16 becomes the greatest or least value there is, which is still no level.
        """
        levels, tables = components
        if self.dequantize:
            levels = tuple(c * table.int() for c, table in zip(levels, tables, strict=True))
        return tuple(c if c.dtype == torch.int16 else c.clamp(-(2**15), 2**15 - 1).short() for c in levels)

    def _unpack(self, code: Tensor, shape: tuple[int, ...] | None) -> tuple[_Components, tuple[int, int, int]]:
        """Components of a code, as they stand there, and the image's shape."""
        if shape is None:
            channels = 1 if code.shape[-3] == self.spec((1, None, None)).shape[0] else 3
            h, v = self._factors(channels)
            shape = (channels, 8 * v * code.shape[-2], 8 * h * code.shape[-1])
        channels, height, width = shape[-3:]
        spec = self.spec((channels, height, width))
        spec.check_layout(code)
        parts = spec.split(code)
        coefficients = tuple(
            torch.unflatten(parts[name].movedim(-3, -1), -1, (8, 8)) for name in _COMPONENTS[:channels]
        )
        tables = self._own_tables(channels, code.device)
        if self.tables:
            tables = tuple(torch.unflatten(parts[name][..., 0, 0], -1, (8, 8)) for name in _TABLES[:channels])
        return _Components(coefficients, tables), (channels, height, width)


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor's memory is there for compiled code."""
    return type(tensor) is Tensor and tensor.device.type == "cpu" and tensor.numel() > 0


def _check_image(signal: Tensor) -> None:
    if signal.dtype != torch.uint8 or signal.ndim < 3 or signal.shape[-3] not in (1, 3):
        raise InputError(
            f"JPEG takes images (..., 1 or 3, height, width) of torch.uint8; got {signal.dtype} of shape "
            f"{tuple(signal.shape)}"
        )
