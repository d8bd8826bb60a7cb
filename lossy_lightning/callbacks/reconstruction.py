"""What a codec leaves of a data set's signals, to be seen and heard before training on its codes."""

import warnings
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.utils.data import IterableDataset

from lossy_lightning.callbacks._distortion import distortion, is_sound
from lossy_lightning.callbacks._round_trip import device_of
from lossy_lightning.callbacks._signals import Shown, log_signals
from lossy_lightning.core import Codec, FileCodec, InputError, RandomKey
from lossy_lightning.media import log_text


class _Example(NamedTuple):
    """An example that went through its codec; ``original`` is None if the data are codes already."""

    codec: Codec
    code: Tensor
    original: Tensor | None
    decoded: Tensor


class ReconstructionMonitor(Callback):
    """Shows some training examples decoded beside their originals, and measures them, when fitting starts.

    It works for any datamodule that has a ``codec``, ``signals`` and ``spec``, as `EncodedDataModule` has; with any
    other it warns once. Signals are taken before any ``transform``. Data that are codes already, such as
    JPEG files, have no originals; they are shown decoded, without a comparison.

    Loggers get, for each example: images as a picture, the original on the left; sounds as two players and
    pictures of their log power spectrograms and waveforms, the original above; each under its name and measures; and a
    table of these.

    Logged, averaged over the examples, zeros included:

    - ``reconstruction/bits_per_sample``: container bits (`CodeSpec.container_bits`) by samples of the signal;
    - ``reconstruction/file_bits_per_sample``: the file that a file codec writes, entropy-coded, headers included;
    - ``reconstruction/kbits_per_second``: container bits per second, if the data state a sample rate;
    - ``reconstruction/psnr``, ``reconstruction/ssim`` of images; ``reconstruction/log_spectral_distance`` and
      ``reconstruction/snr`` of sounds (`distortion`); no SNR if the codec does not keep the phase.

    Args:
        num_examples: Number of examples, evenly spaced in the training split, or the first ones of a stream.

    Raises:
        ValueError: If ``num_examples`` is less than 1.

    Example:
        >>> trainer = Trainer(callbacks=[ReconstructionMonitor(num_examples=4)], logger=False)
    """

    def __init__(self, num_examples: int = 4) -> None:
        if num_examples < 1:
            raise InputError(f"num_examples is at least 1; got {num_examples}")
        self.num_examples = num_examples
        self._warned = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Decode, show and measure."""
        data: Any = getattr(trainer, "datamodule", None)
        if not all(hasattr(data, name) for name in ("codec", "signals", "codes", "spec")):
            self._warn(data)
            return
        rate: int | None = getattr(data, "sample_rate", None) or data.codec.sample_rate
        examples = list(_examples(data, self.num_examples))
        rows = [_measures(example, rate) for example in examples]
        for name in sorted(set(chain.from_iterable(rows))):
            values = torch.tensor([row[name] for row in rows if name in row], dtype=torch.float32)
            mean = values.mean().to(pl_module.device)
            # every rank measures the same: the logger writes once
            pl_module.log(
                f"reconstruction/{name}", mean, on_step=False, on_epoch=True, batch_size=1, reduce_fx="max",
                sync_dist=True,
            )  # fmt: skip
        if trainer.is_global_zero:
            _show(trainer.loggers, examples, rows, rate, trainer.global_step)

    def _warn(self, data: Any) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                "ReconstructionMonitor shows nothing: it needs a datamodule with codec, signals, codes and spec, such "
                f"as an EncodedDataModule; got {type(data).__name__ if data is not None else 'loaders'}",
                stacklevel=2,
            )


def _examples(data: Any, count: int) -> Iterator[_Example]:
    """Training examples through their codecs; torch's random state is kept."""
    codes = data.codes("train")
    source = data.signals("train") if codes is None else codes
    if source is None:
        return
    with RandomKey(("reconstruction",)).everywhere(), torch.no_grad():  # examples may be cropped at random
        for value, target, *_ in _spread(source, count):
            codec = data.codec_for("train", target)
            value = value.to(device_of(codec))
            if codes is None:
                code = codec.encode(value)
                yield _Example(codec, code.cpu(), value.cpu(), codec.decode(code, tuple(value.shape)).cpu())
            else:
                yield _Example(codec, value.cpu(), None, codec.decode(value).cpu())


def _spread(source: Any, count: int) -> Iterator[Any]:
    """Evenly spaced examples of a source; the first ones of a stream, which has no index."""
    if isinstance(source, IterableDataset):
        yield from islice(source, count)
        return
    total = len(source)
    for index in sorted({round(i * (total - 1) / max(1, count - 1)) for i in range(min(count, total))}):
        yield source[index]


def _measures(example: _Example, rate: int | None) -> dict[str, float]:
    """Size and distortion of an example."""
    codec, code, original, decoded = example
    bits = int(codec.spec(tuple(decoded.shape)).container_bits(code))
    measures = {"bits_per_sample": bits / decoded.numel()}
    if isinstance(codec, FileCodec):
        measures["file_bits_per_sample"] = 8 * len(codec.write(code, tuple(decoded.shape))) / decoded.numel()
    if is_sound(decoded[None]) and rate:
        measures["kbits_per_second"] = bits * rate / decoded.shape[-1] / 1000
    if original is not None:
        measures |= distortion(original[None], decoded[None])
        if not codec.keeps_phase:
            measures.pop("snr", None)
    return measures


def _show(
    loggers: list[Any], examples: list[_Example], rows: list[dict[str, float]], rate: int | None, step: int
) -> None:
    """Hand examples and measures to loggers."""
    for number, (example, row) in enumerate(zip(examples, rows, strict=True)):
        originals = [] if example.original is None else [Shown("original", "original", example.original)]
        shown = [*originals, Shown("decoded", _caption(row), example.decoded)]
        log_signals(loggers, f"reconstruction/{number}", shown, rate, step)
    log_text(loggers, "reconstruction", _table(examples, rows), step)


def _caption(row: dict[str, float]) -> str:
    """What stands above a decoded signal."""
    distances = [f"{name.upper()} {row[name]:.1f} dB" for name in ("psnr", "snr") if name in row]
    return "\n".join(["decoded", f"{row['bits_per_sample']:.2f} bits a sample", *distances])


def _table(examples: list[_Example], rows: list[dict[str, float]]) -> str:
    """Measures of each example, in Markdown."""
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    phase = all(example.codec.keeps_phase for example in examples)
    titles = [*names, *([] if phase else ["snr"])]
    lines = [f"| example | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for number, (example, row) in enumerate(zip(examples, rows, strict=True)):
        missing = "" if example.codec.keeps_phase else "phase not kept"
        cells = [f"{row[name]:.3f}" if name in row else missing for name in titles]
        lines.append(f"| {number} | {' | '.join(cells)} |")
    return "\n".join(lines)
