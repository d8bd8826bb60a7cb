"""Lyra V2: a neural codec of speech, SoundStream, through its published models."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.core import Codec, CodeSpec, Field, InputError, MissingFileError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import crop, pad_to_multiple, sum_codewords
from lossy_lightning.tflite import convolution_macs, open_model

_ENCODER, _QUANTIZER, _DECODER = "soundstream_encoder.tflite", "quantizer.tflite", "lyragan.tflite"
_STAGES = {3200: 16, 6000: 30, 9200: 46}
_FRAME = 320  # samples, 20 ms
_LEVELS = 16
_FEATURES = 64  # of a frame
_ABSENT = -1


class Lyra(Codec):
    """Lyra V2 (SoundStream): speech at 16 kHz as residual codes, one column of 4-bit indices every 20 ms.

    A signal ``(1, samples)`` int16 gives a code ``(stages, frames)`` with ``frames = ceil(samples / 320)``. Each stage
    codes what the stages before it left over, so the first stages of a code are the code of a lower bit rate. In
    decoding, the index -1 is a stage that was not sent.

    The models are run on the host, by one thread and a new interpreter for each clip, because that of the encoder keeps
    the state of the clip before. How their sums are rounded depends on the processor's kernels, and the last stages
    on that rounding, so two machines may differ in codes; one machine does not.

    Args:
        model_dir: Folder of the three ``.tflite`` files; None: ``$LOSSY_DATA/lyra_v2``.
        bit_rate: In bit/s: 3200 (16 stages), 6000 (30) or 9200 (46).
        num_stages: Stages of a code in which bit rates may be mixed; one that this bit rate does not send is absent,
            -1. None: the bit rate's own, each sent.

    Raises:
        ValueError: If the bit rate is another, or has more stages than ``num_stages``.
        FileNotFoundError: If a file is missing.

    Source:
        Zeghidour et al., SoundStream: An end-to-end neural audio codec, 2021; github.com/google/lyra (Apache-2.0),
        ``lyra/model_coeffs``.

    Example:
        >>> codec = Lyra(bit_rate=3200)  # its models lie in $LOSSY_DATA/lyra_v2; model_dir names another folder
        >>> tone = (torch.arange(16_000) / 20).sin().mul(10_000).to(torch.int16)[None]
        >>> code = codec.encode(tone)  # one second: 50 columns of sixteen 4-bit indices
        >>> code.shape, codec.spec(tone.shape).num_bits, codec.decode(code, tone.shape).shape
        (torch.Size([16, 50]), 3200, torch.Size([1, 16000]))
    """

    sample_rate = 16_000
    on_device = False
    learned = True
    idempotent = False

    def __init__(
        self, model_dir: str | Path | None = None, bit_rate: int = 9200, num_stages: int | None = None
    ) -> None:
        if bit_rate not in list(_STAGES):
            raise InputError(f"Lyra has bit rates of {', '.join(map(str, _STAGES))} bit/s; got bit_rate={bit_rate}")
        self.model_dir = None if model_dir is None else Path(model_dir)
        if num_stages is not None:
            check_integers(1, num_stages=num_stages)
        if num_stages is not None and not _STAGES[bit_rate] <= num_stages <= max(_STAGES.values()):
            raise InputError(
                f"{bit_rate} bit/s are {_STAGES[bit_rate]} stages, and there are {max(_STAGES.values())}; "
                f"got {num_stages=}"
            )
        self.bit_rate = bit_rate
        self.num_stages = num_stages
        for name in (_ENCODER, _QUANTIZER, _DECODER):
            if not (self._folder / name).is_file():
                raise MissingFileError(
                    f"there is no {self._folder / name}; copy it from lyra/model_coeffs of github.com/google/lyra, "
                    "and pass its folder as model_dir"
                )

    def encode(self, signal: Tensor) -> Tensor:
        """Indices of a signal: ``(..., 1, samples)`` int16 to ``(..., stages, frames)``; the last frame is padded.

        Raises:
            ValueError: If the signal is not int16, not mono, or empty.
            ImportError: If ai-edge-litert is not installed.
        """
        if signal.dtype != torch.int16 or signal.ndim < 2 or signal.shape[-2] != 1 or not signal.shape[-1]:
            raise InputError(
                "Lyra takes mono signals (..., 1, samples) of int16 samples at 16 kHz; got "
                f"{signal.dtype} of shape {tuple(signal.shape)}: mix channels down, round and clip"
            )
        padded = pad_to_multiple(signal.cpu(), (_FRAME,)).float() / 2**15
        clips = padded.reshape(-1, padded.shape[-1] // _FRAME, _FRAME).numpy()
        quantize = _interpreter(_read(self._folder / _QUANTIZER)).get_signature_runner("encode")
        code = torch.from_numpy(np.stack([self._quantized(self._run(_ENCODER, clip), quantize) for clip in clips]))
        if self.num_stages is not None:
            code = F.pad(code.to(torch.int8), (0, 0, 0, self.num_stages - code.shape[1]), value=_ABSENT)
        return code.reshape(*signal.shape[:-2], *code.shape[1:]).to(signal.device)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Signal of indices ``(..., stages, frames)``, of which the first of these stages or all are given.

        Raises:
            ImportError: If ai-edge-litert is not installed.
        """
        latents = sum_codewords(code.cpu().reshape(-1, *code.shape[-2:]), self._codebooks(), _ABSENT)
        clips = latents.movedim(1, 2).unsqueeze(2).numpy()
        sound = np.stack([self._run(_DECODER, clip).reshape(1, -1) for clip in clips])
        pcm = (torch.from_numpy(sound) * 2**15).round().clamp(-(2**15), 2**15 - 1).to(torch.int16)
        signal = pcm.reshape(*code.shape[:-2], 1, -1).to(code.device)
        return signal if shape is None else crop(signal, shape[-1:])

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """A field of stages, 16 levels each, which may be absent if ``num_stages`` is given; a position for each 20 ms.

        Raises:
            ValueError: If the shape is not ``(1, samples)``.
        """
        if len(shape) != 2 or shape[0] != 1:
            raise InputError(f"Lyra takes mono signals (1, samples); got shape {tuple(shape)}: mix channels down")
        frames = None if shape[1] is None else -(-shape[1] // _FRAME)
        low, high = (0,) * self._stages, (_LEVELS - 1,) * self._stages
        return CodeSpec([Field("stages", low, high, ordinal=False, absent=self._absent)], (frames,))

    def codebooks(self) -> Tensor:
        """``(stages, 16, 64)``, read out of the quantizer's model.

        Raises:
            ImportError: If ai-edge-litert is not installed.
        """
        return self._codebooks()[: self._stages].clone()

    def encoding_macs(self, shape: tuple[int, ...], decoded: bool = False) -> Counter[int]:
        """Those of the models' convolutions, and of comparing 64 features with 16 words in each stage."""
        frame = Counter({32: _STAGES[self.bit_rate] * _LEVELS * _FEATURES})
        for name in (_ENCODER, _DECODER) if decoded else (_ENCODER,):
            frame += convolution_macs(_interpreter(_read(self._folder / name)))
        frames = -(-shape[-1] // _FRAME)
        return Counter({width: frames * count for width, count in frame.items()})

    def fingerprint(self) -> str:
        """Class, bit rate and a hash of the models; where they lie does not matter."""
        digest = hashlib.sha256()
        for name in (_ENCODER, _QUANTIZER, _DECODER):
            digest.update(_read(self._folder / name))
        stages = "" if self.num_stages is None else f", num_stages={self.num_stages}"
        arguments = f"bit_rate={self.bit_rate}{stages}"
        return f"{type(self).__module__}.{type(self).__qualname__}({arguments}) {digest.hexdigest()[:16]}"

    @property
    def _absent(self) -> int | None:
        """The index that stands for a stage that was not sent, if there may be one."""
        return None if self.num_stages is None else _ABSENT

    @property
    def _stages(self) -> int:
        return self.num_stages or _STAGES[self.bit_rate]

    @property
    def _folder(self) -> Path:
        return Path(os.environ.get("LOSSY_DATA", "data"), "lyra_v2") if self.model_dir is None else self.model_dir

    def _run(self, name: str, frames: NDArray[Any]) -> NDArray[Any]:
        """What a streaming model makes of the frames of one clip, frame by frame: ``(frames, ...)`` of its output."""
        interpreter = _interpreter(_read(self._folder / name))
        interpreter.allocate_tensors()
        given, made = (d[0]["index"] for d in (interpreter.get_input_details(), interpreter.get_output_details()))
        outputs = []
        for frame in frames:
            interpreter.set_tensor(given, frame[None])
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(made).reshape(-1))
        return np.stack(outputs)

    def _quantized(self, features: NDArray[Any], quantize: Any) -> NDArray[Any]:
        """Indices of the frames of one clip, ``(frames, 64)`` to ``(stages, frames)`` uint8.

        By the model, not by nearest words: a few distances in a million are equal but for how they are rounded. It
        keeps no state, so that one interpreter serves a batch of clips.
        """
        stages = _STAGES[self.bit_rate]
        columns = [
            quantize(input_frames=frame[None, None], num_quantizers=np.int32(stages))["output_0"][:stages, 0, 0]
            for frame in features
        ]
        return np.stack(columns, 1).astype(np.uint8)

    def _codebooks(self) -> Tensor:
        return _read_codebooks(_read(self._folder / _QUANTIZER))


@lru_cache(maxsize=3)
def _read(path: Path) -> bytes:
    return path.read_bytes()


@lru_cache(maxsize=1)
def _read_codebooks(model: bytes) -> Tensor:
    """All codebooks of a quantizer's model, ``(46, 16, 64)``: what it decodes of one index of one stage alone."""
    decode = _interpreter(model).get_signature_runner("decode")

    def words() -> Iterator[NDArray[Any]]:
        for stage in range(max(_STAGES.values())):
            for level in range(_LEVELS):
                indices = np.full((max(_STAGES.values()), 1, 1), -1, np.int32)
                indices[stage] = level
                yield decode(encoding_indices=indices)["output_0"].reshape(-1)

    return torch.from_numpy(np.stack(list(words())).reshape(max(_STAGES.values()), _LEVELS, -1))


def _interpreter(model: bytes) -> Any:
    return open_model(model, "Lyra")
