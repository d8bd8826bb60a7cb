"""What classifiers read: codes as they stand, and features that published networks have of signals, coded or not.

Features of a network are computed once for each codec, and kept as float16. What an example takes to store is its code
(container bits; of JPEG its file, of MP3 its rate), or its features at 16 bits.
"""

import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.accuracy.small_networks import load
from experiments.transform_codecs.speech import clips
from lossy_lightning.codecs import (
    JPEG,
    MP3,
    PCM,
    VQ,
    DeadZone,
    Lyra,
    MelSpectrogram,
    Spectrogram,
    TransformCodec,
    Uniform,
    Wavelet,
)
from lossy_lightning.core import Codec
from lossy_lightning.functional import sum_codewords
from lossy_lightning.nn import FeatureHash, MobileNet, SpectralBands, YAMNet, load_tflite_weights
from lossy_lightning.profiling import count_macs

Read = Callable[[Tensor], Tensor]
"""From signals, or codes, ``(N, ...)`` to features ``(N, features)``."""


class Arm(NamedTuple):
    """What is read.

    Attributes:
        codec: Name of the codec that signals go through; "" for none.
        network: Name of the network that reads what is decoded; "" if codes are read.
    """

    codec: str
    network: str = ""

    def __str__(self) -> str:
        return f"{self.network} of {self.codec or 'signals'}" if self.network else self.codec


class Made(NamedTuple):
    """Features of all examples, and what one costs.

    Attributes:
        values: ``(N, features)`` float16.
        milliseconds: Processor time from the signal, on one thread, coding and decoding included.
        bytes: To store an example.
        macs: Of the network.
    """

    values: NDArray[np.float16]
    milliseconds: float
    bytes: float
    macs: float


IMAGE_CODECS = ("JPEG", "wavelet", "k-means")
IMAGES = [
    Arm("pixels"),
    *(Arm(codec) for codec in IMAGE_CODECS),
    *(Arm(codec, "MobileNetV1 0.25") for codec in ("", *IMAGE_CODECS)),
    *(Arm(codec, "MobileNetV2") for codec in ("", "JPEG", "k-means")),
]
SOUND_CODECS = ("Lyra", "MP3", "spectrogram VQ")
SPEECH = [
    Arm("log-mel"),
    *(Arm(codec) for codec in SOUND_CODECS),
    *(Arm(codec, network) for network in ("YAMNet", "speech embedding") for codec in ("", *SOUND_CODECS)),
]
V2_IMAGES = (5000, 2000)
"""Training and test images that MobileNetV2 reads."""


@cache
def image_codec(name: str) -> Codec:
    """Of images of 32x32; k-means is fitted to 5 000 training images."""
    if name == "k-means":
        return VQ((4, 4), 256).fit([load("train", _cache())[0][:5000]])
    return {"": PCM(), "pixels": PCM(), "JPEG": JPEG(50, "4:4:4", dequantize=True), "wavelet": _wavelet()}[name]


def _wavelet() -> Codec:
    return TransformCodec(Wavelet(2), DeadZone(1.0))


@cache
def sound_codec(name: str) -> Codec:
    """Of words of a second; codes of spectrograms are fitted to every tenth clip, without its label."""
    if name == "spectrogram VQ":
        return TransformCodec(Spectrogram(), VQ((4, 4), 256)).fit([clips()[::10]])
    if name == "log-mel":
        return TransformCodec(MelSpectrogram(512, 256, n_mels=58), Uniform(5)).fit([clips()[::10]])
    return {"": PCM(16), "Lyra": Lyra(bit_rate=6000), "MP3": MP3(16, 16_000)}[name]


def _cache() -> Path:
    return Path(os.environ["TRANSFER_FOLDER"]) / "cifar10"


def of_codes(name: str, codec: Codec, shape: tuple[int, ...]) -> Read:
    """How a linear classifier reads codes: values as they stand, indices as their words or hashed."""
    spec = codec.spec(shape)
    if name == "k-means":
        hashed = FeatureHash(spec, 32)
        return lambda code: hashed(code).flatten(1)
    if name == "Lyra":
        words = codec.codebooks()
        assert words is not None
        return lambda code: sum_codewords(code, words, -1).flatten(1)
    if name == "MP3":
        bands = SpectralBands(spec, 16_000, 64).eval()
        return lambda code: bands(code).flatten(1)
    if isinstance(codec, TransformCodec) and name in ("spectrogram VQ", "log-mel"):
        words_of = codec.quantizer.decode
        if name == "log-mel":
            return lambda code: words_of(code).flatten(1)
        return lambda code: F.avg_pool2d(words_of(code), 4).flatten(1)  # a value for each cell of the code
    return lambda code: code.float().flatten(1)


@cache
def network(name: str) -> tuple[torch.nn.Module, Callable[[Tensor], Tensor], tuple[int, ...]]:
    """A published network, how signals are brought to it, and the shape of its input."""
    weights = Path(os.environ["LOSSY_DATA"]) / "pretrained"
    if name == "YAMNet":
        module: Any = YAMNet((1, None), 521)
        file, size = "yamnet.tflite", (1, 16_000)
    elif name == "MobileNetV2":
        module, file, size = MobileNet((3, 224, 224), 1001, 2), "mobilenet_v2_1.0_224_quant.tflite", (3, 224, 224)
    else:
        module = MobileNet((3, 128, 128), 1001, width_mult=0.25)
        file, size = "mobilenet_v1_0.25_128_quant.tflite", (3, 128, 128)
    load_tflite_weights(module, weights / file, quantized=name == "YAMNet")
    module.eval().requires_grad_(False)
    if name == "YAMNet":
        return module, lambda sounds: sounds / 2**15, size

    def enlarged(images: Tensor) -> Tensor:
        pixels = F.interpolate(images.float(), size[-2:], mode="bilinear", align_corners=False, antialias=True)
        return pixels / 127.5 - 1

    return module, enlarged, size


def embedded(name: str, signals: Tensor) -> Tensor:
    """Features that a network has of signals, ``(N, features)``."""
    if name == "speech embedding":
        return speech_embedding(signals)
    module, bring, _ = network(name)
    found: Tensor = module.embed(bring(signals))
    return found


@cache
def _sessions() -> tuple[Any, Any]:
    import onnxruntime

    folder = Path(os.environ["SPEECH_EMBEDDING"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return tuple(  # type: ignore[return-value]
        onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), options)
        for name in ("melspectrogram", "embedding_model")
    )


def speech_embedding(sounds: Tensor) -> Tensor:
    """Google's features of speech, the mean over windows of 0.76 s, one every 0.08 s: ``(N, 1, samples)`` to 96.

    Source: Lin et al., Training keyword spotters with limited and synthesized speech data, ICASSP 2020.
    """
    front, network = _sessions()
    found = []
    for sound in sounds:
        mel = front.run(None, {"input": sound.float().numpy() / 2**15})[0][0, 0] / 10 + 2
        windows = np.stack([mel[i : i + 76] for i in range(0, len(mel) - 75, 8)])[..., None].astype(np.float32)
        found.append(network.run(None, {"input_1": windows})[0].reshape(len(windows), -1).mean(0))
    return torch.from_numpy(np.stack(found))


def macs_of(arm: Arm) -> float:
    """Multiply-accumulates of an arm's network for one example; the speech embedding's are not counted."""
    if not arm.network or arm.network == "speech embedding":
        return 0.0 if not arm.network else float("nan")
    module, _, size = network(arm.network)
    return float(sum(count_macs(module, torch.zeros(1, *size)).values()))


def stored_bytes(codec: Codec, signal: Tensor, code: Tensor) -> float:
    """Of one example's code."""
    if isinstance(codec, MP3):
        return codec.bit_rate * 1000 * signal.shape[-1] / 16_000 / 8
    if isinstance(codec, JPEG):
        plain = JPEG(codec.quality, codec.chroma_subsampling)
        return float(len(plain.write(plain.encode(signal), tuple(signal.shape))))
    return float(codec.spec(tuple(signal.shape)).container_bits(code)) / 8


@torch.inference_mode()
def make(arm: Arm, codec: Codec, signals: Tensor, batch: int = 50) -> Made:
    """Features of signals ``(N, *signal)``, a few at a time."""
    shape = tuple(signals.shape[1:])
    read = of_codes(arm.codec, codec, shape) if not arm.network else None
    found, start = [], time.process_time()
    for few in signals.split(batch):
        if read is not None:
            features = read(codec.encode(few))
        else:
            features = embedded(arm.network, few if not arm.codec else codec.round_trip(few))
        found.append(features.half().numpy())
    milliseconds = 1000 * (time.process_time() - start) / len(signals)
    values = np.concatenate(found)
    if arm.network:
        size = 2.0 * values.shape[1]
    else:
        codes = codec.encode(signals[:50])
        size = float(np.mean([stored_bytes(codec, *pair) for pair in zip(signals[:50], codes, strict=True)]))
    return Made(values, milliseconds, size, macs_of(arm))


def kept(path: Path, build: Callable[[], Made]) -> Made:
    """Features out of a file, or made and kept there."""
    if not path.exists():
        made = build()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".new").open("wb") as file:
            np.savez(file, **made._asdict())
        path.with_suffix(".new").replace(path)
    stored = np.load(path)
    return Made(stored["values"], *(float(stored[name]) for name in ("milliseconds", "bytes", "macs")))
