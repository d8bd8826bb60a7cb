"""What one second of speech costs: encoding, decoding, and the time from waveform to class and from codes to class.

    LOSSY_DATA=... python -m benchmarks.speed.speech_latency [--repeats 20] [run ...]

One thread, one clip at a time, weights as they are made (they change no time), medians in milliseconds of processor
time, which a busy machine disturbs less than the clock. "encode" includes the analysis of a spectrogram, whose own time
stands beside it; of `Decoded` it is that of the codec within.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.harness import arguments, kept, machine, parser, seconds, show
from lossy_lightning.cli import LossyCLI
from lossy_lightning.codecs import Decoded, TransformCodec
from lossy_lightning.core import Codec, TrainableCodec

NAMES = [
    *("speech_lyra_float", "speech_lyra_3200_float", "speech_lyra_binary", "speech_lyra_bits_float"),
    *("speech_lyra_bits_binary", "speech_vq_float", "speech_vq_lookup_binary", "speech_vq_bits_binary"),
    *("speech_vq_similarity_binary", "speech_vq_bits_cnn", "speech_spectrogram_resnet", "speech_spectrogram_cnn"),
    *("speech_lyra_decoded_resnet", "speech_lyra_decoded_cnn"),
]

PARTS = ("analysis", "encode", "decode", "codes to class", "waveform to class")


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Median processor time of some calls, after one that warms up."""
    work()
    return 1000 * statistics.median(seconds(work, time.process_time) for _ in range(repeats))


def parts(codec: Codec, clip: Tensor, code: Tensor) -> dict[str, Callable[[], object]]:
    """What encoding and decoding consist of."""
    if isinstance(codec, Decoded):
        return parts(codec.codec, clip, codec.codec.encode(clip))
    analysis = {"analysis": lambda: codec.analysis(clip)} if isinstance(codec, TransformCodec) else {}
    return analysis | {"encode": lambda: codec.encode(clip), "decode": lambda: codec.decode(code, (1, clip.shape[-1]))}


def figures(name: str, repeats: int) -> dict[str, float]:
    """Milliseconds of each part of one run."""
    with tempfile.TemporaryDirectory() as folder:
        quiet = ["--trainer.logger", "false", "--trainer.callbacks", "null", "--trainer.default_root_dir", folder]
        cli = LossyCLI(args=[*arguments(name), *quiet], run=False)
    data, model = cli.datamodule, cli.model.eval()
    clips = torch.stack([data.signals("test")[i][0] for i in range(64)])
    codec = data.codec
    if isinstance(codec, TrainableCodec) and not codec.fitted:
        codec.fit([clips])
    clip = clips[:1]
    code = codec.encode(clip)
    work = parts(codec, clip, code) | {
        "codes to class": lambda: model(code),
        "waveform to class": lambda: model(codec.encode(clip)),
    }
    with torch.no_grad():
        return {part: milliseconds(function, repeats) for part, function in work.items()}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("names", nargs="*", metavar="run", help=f"runs of experiments/speech/; default all of {NAMES}")
    options.add_argument("--repeats", type=int, default=20)
    options.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = options.parse_args()
    torch.set_num_threads(1)
    rows = [["run", *PARTS]]
    with kept(None):
        for name in given.names or NAMES:
            found = figures(name, given.repeats)
            rows.append([f"`{name}`", *(f"{found[part]:.2f}" if part in found else "" for part in PARTS)])
    show(rows, f"Measured on {machine()}.", given.update, "speech-latency")


if __name__ == "__main__":
    main()
