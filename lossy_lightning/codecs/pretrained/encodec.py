"""EnCodec: a neural codec of any sound, through the package of its authors."""

import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
import torch.nn.functional as F
from torch import Tensor

from lossy_lightning.core import Codec, CodeSpec, Field, InputError, MissingFileError, MissingPackageError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import crop, nearest_codewords, sum_codewords

_BANDWIDTHS = (1.5, 3.0, 6.0, 12.0, 24.0)
_KBITS_A_STAGE = 0.75
_FRAME = 320  # samples
_LEVELS = 1024
_ABSENT = -1
_WEIGHTS = "encodec_24khz-d7cc33bc.th"
_URL = "https://dl.fbaipublicfiles.com/encodec/v0/"


class EnCodec(Codec):
    """EnCodec at 24 kHz, mono: residual codes, one column of 10-bit indices every 320 samples.

    A signal ``(1, samples)`` int16 gives a code ``(stages, frames)`` with ``frames = ceil(samples / 320)`` and two
    stages for each 1.5 kbit/s. In decoding, the index -1 is a stage that was not sent. Clips are coded one by one, so
    that codes do not depend on the batch.

    The package `encodec` and its weights are under CC-BY-NC 4.0, as its metadata say: not for commercial use. It is
    an optional extra: ``pip install 'lossy-lightning[encodec]'``. Weights are downloaded by `prepare` alone.

    Args:
        bandwidth: In kbit/s: 1.5, 3, 6, 12 or 24.
        repository: Folder of the file ``encodec_24khz-d7cc33bc.th``; None: torch's hub folder.
        pretrained: False for random weights and codebooks, always the same: for tests and timings.
        num_stages: Stages of a code in which bandwidths may be mixed; one that this bandwidth does not send is absent,
            -1. None: the bandwidth's own, each sent.

    Raises:
        ValueError: If the bandwidth is another, or has more stages than ``num_stages``.

    Source:
        Défossez et al., High fidelity neural audio compression, 2022; github.com/facebookresearch/encodec.

    Example:
        >>> codec = EnCodec(3.0, pretrained=False)  # with pretrained=True, prepare() downloads the weights once
        >>> tone = (torch.arange(24_000) / 20).sin().mul(10_000).to(torch.int16)[None]
        >>> code = codec.encode(tone)  # one second: 75 columns of four 10-bit indices
        >>> code.shape, codec.spec(tone.shape).num_bits, codec.decode(code, tone.shape).shape
        (torch.Size([4, 75]), 3000, torch.Size([1, 24000]))
    """

    sample_rate = 24_000
    learned = True
    idempotent = False

    def __init__(
        self,
        bandwidth: float = 1.5,
        repository: str | Path | None = None,
        pretrained: bool = True,
        num_stages: int | None = None,
    ) -> None:
        if bandwidth not in _BANDWIDTHS:
            raise InputError(f"EnCodec has bandwidths of {', '.join(map(str, _BANDWIDTHS))} kbit/s; got {bandwidth=}")
        sent, most = round(bandwidth / _KBITS_A_STAGE), round(max(_BANDWIDTHS) / _KBITS_A_STAGE)
        if num_stages is not None:
            check_integers(1, num_stages=num_stages)
        if num_stages is not None and not sent <= num_stages <= most:
            raise InputError(f"{bandwidth} kbit/s are {sent} stages, and there are {most}; got {num_stages=}")
        self.bandwidth = float(bandwidth)
        self.num_stages = num_stages
        self.repository = None if repository is None else Path(repository)
        self.pretrained = pretrained

    def prepare(self) -> None:
        """Download the weights, if they are wanted and missing.

        Raises:
            FileNotFoundError: If ``repository`` has no such file, or there is no network.
        """
        if not self.pretrained or self._weights.is_file():
            return
        if self.repository is None:
            self._weights.parent.mkdir(parents=True, exist_ok=True)
            digest = _WEIGHTS.rpartition("-")[2].removesuffix(".th")
            try:
                torch.hub.download_url_to_file(_URL + _WEIGHTS, str(self._weights), digest, progress=False)
            except (URLError, OSError) as error:
                raise self._missing() from error
        else:
            raise self._missing()

    def encode(self, signal: Tensor) -> Tensor:
        """Indices of a signal: ``(..., 1, samples)`` int16 to ``(..., stages, frames)``.

        Raises:
            ValueError: If the signal is not int16, not mono, or empty.
            ImportError: If encodec is not installed.
            FileNotFoundError: If its weights are missing.
        """
        if signal.dtype != torch.int16 or signal.ndim < 2 or signal.shape[-2] != 1 or not signal.shape[-1]:
            raise InputError(
                "EnCodec takes mono signals (..., 1, samples) of int16 samples at 24 kHz; got "
                f"{signal.dtype} of shape {tuple(signal.shape)}: mix channels down, round and clip"
            )
        model = self._model().to(signal.device)
        model.set_target_bandwidth(self.bandwidth)
        clips = (signal.float() / 2**15).reshape(-1, 1, 1, signal.shape[-1])
        with torch.no_grad():
            code = torch.stack([model.encode(clip)[0][0][0] for clip in clips])
        code = F.pad(code.to(torch.int16), (0, 0, 0, self._stages - code.shape[-2]), value=_ABSENT)
        return code.reshape(*signal.shape[:-2], *code.shape[-2:])

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Signal of indices ``(..., stages, frames)``, of which the first of these stages or all are given.

        Raises:
            ImportError: If encodec is not installed.
            FileNotFoundError: If its weights are missing.
        """
        model = self._model().to(code.device)
        with torch.no_grad():
            latents = sum_codewords(code.reshape(-1, *code.shape[-2:]), _codebooks(model), _ABSENT)
            sound = torch.stack([model.decoder(latent[None])[0] for latent in latents])
        pcm = (sound * 2**15).round().clamp(-(2**15), 2**15 - 1).to(torch.int16)
        signal = pcm.reshape(*code.shape[:-2], 1, -1)
        return signal if shape is None else crop(signal, shape[-1:])

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """A field of stages, 1 024 levels each, which may be absent if ``num_stages`` is given; a position a frame.

        Raises:
            ValueError: If the shape is not ``(1, samples)``.
        """
        if len(shape) != 2 or shape[0] != 1:
            raise InputError(f"EnCodec takes mono signals (1, samples); got shape {tuple(shape)}: mix channels down")
        frames = None if shape[1] is None else -(-shape[1] // _FRAME)
        low, high = (0,) * self._stages, (_LEVELS - 1,) * self._stages
        return CodeSpec([Field("stages", low, high, ordinal=False, absent=self._absent)], (frames,))

    def codebooks(self) -> Tensor:
        """``(stages, 1024, 128)``.

        Raises:
            ImportError: If encodec is not installed.
            FileNotFoundError: If its weights are missing.
        """
        return _codebooks(self._model())[: self._stages].cpu()

    def fingerprint(self) -> str:
        """Class, bandwidth and the weights, whose file is named by its hash; where it lies does not matter."""
        weights = _WEIGHTS if self.pretrained else "random"
        stages = "" if self.num_stages is None else f", num_stages={self.num_stages}"
        return f"{type(self).__module__}.{type(self).__qualname__}(bandwidth={self.bandwidth}{stages}) {weights}"

    @property
    def _absent(self) -> int | None:
        """The index that stands for a stage that was not sent, if there may be one."""
        return None if self.num_stages is None else _ABSENT

    @property
    def _stages(self) -> int:
        return self.num_stages or round(self.bandwidth / _KBITS_A_STAGE)

    @property
    def _weights(self) -> Path:
        folder = Path(torch.hub.get_dir(), "checkpoints") if self.repository is None else self.repository
        return folder / _WEIGHTS

    def _missing(self) -> FileNotFoundError:
        return MissingFileError(
            f"EnCodec's weights are not at {self._weights}; download {_URL}{_WEIGHTS} (CC-BY-NC 4.0) and put the file "
            "there, or into a folder that you pass as repository"
        )

    def _model(self) -> Any:
        if self.pretrained and not self._weights.is_file():
            raise self._missing()
        return _load(self._weights.parent if self.pretrained else None)


@lru_cache(maxsize=1)
def _load(folder: Path | None) -> Any:
    """The model with the weights in a folder, or with random ones; one a process, so that codecs pickle without."""
    try:
        from encodec.model import EncodecModel
    except ImportError as error:
        raise MissingPackageError(
            "EnCodec needs the package encodec, which is under CC-BY-NC 4.0 (not for commercial use): "
            "pip install 'lossy-lightning[encodec]'"
        ) from error
    with warnings.catch_warnings(), torch.random.fork_rng([]), torch.no_grad():
        warnings.simplefilter("ignore", FutureWarning)  # encodec normalises weights as older torch did
        torch.default_generator.manual_seed(0)  # no GPU's
        model = EncodecModel.encodec_model_24khz(pretrained=folder is not None, repository=folder)
        if folder is None:
            _fill_codebooks(model)
    return model


def _fill_codebooks(model: Any) -> None:
    """Random words of the spread of what they quantize, noise here; the package leaves them all zero."""
    left = model.encoder(torch.randn(1, 1, 2 * 24_000) / 8)[0].T
    for layer in model.quantizer.vq.layers:
        words = left.mean(0) + left.std(0) * torch.randn(_LEVELS, left.shape[1])
        layer._codebook.embed.copy_(words)
        left = left - words[nearest_codewords(left, words)]


def _codebooks(model: Any) -> Tensor:
    return torch.stack([layer.codebook for layer in model.quantizer.vq.layers])
