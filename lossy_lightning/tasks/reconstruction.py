"""How well a learned codec reconstructs and how many bits it takes: figures and pictures."""

from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule
from torch import Tensor
from torchmetrics import Metric

from lossy_lightning.codecs import PCM, VQVAE, NonlinearTransform
from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.functional import index_entropy, perplexity
from lossy_lightning.media import log_image

_PICTURES = 8


class Reconstruction(Metric):
    """Figures of a learned codec over all examples seen.

    - ``mse``: mean squared error of samples scaled to [-1, 1];
    - ``psnr``: ``10 log10(4 / mse)``, the peak signal-to-noise ratio in dB, before rounding;
    - ``perplexity``: number of equally used words of the same entropy, averaged over the code's channels;
    - ``bits_per_sample``: the code's container, its channels' bit widths, by the number of samples;
    - ``entropy_per_sample``: the same with the entropy of each channel's indices in place of their bit widths, what
      an ideal entropy coder without context would spend.

    Args:
        levels: Number of words of each of the code's channels.

    Example:
        >>> measure = Reconstruction((2,))
        >>> samples = torch.zeros(1, 1, 8)
        >>> measure.update(samples, samples + 0.2, torch.tensor([[[0, 1]]]))
        >>> {name: round(float(value), 2) for name, value in measure.compute().items()}
        {'mse': 0.04, 'psnr': 20.0, 'perplexity': 2.0, 'bits_per_sample': 0.25, 'entropy_per_sample': 0.25}
    """

    error: Tensor
    samples: Tensor
    cells: Tensor
    counts: Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels
        for name in ("error", "samples", "cells"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(len(levels), max(levels), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, signal: Tensor, reconstruction: Tensor, indices: Tensor) -> None:
        """Add a batch.

        Args:
            signal: ``(N, channels, *size)`` in [-1, 1].
            reconstruction: The same shape.
            indices: ``(N, C, *grid)``; -1 if a stage was left out.
        """
        self.error = self.error + (reconstruction.detach().float() - signal.float()).square().double().sum()
        self.samples = self.samples + signal.numel()
        self.cells = self.cells + indices[:, 0].numel()
        most = self.counts.shape[1]
        counts = [index[index >= 0].bincount(minlength=most) for index in indices.unbind(1)]
        self.counts = self.counts + torch.stack(counts)

    def compute(self) -> dict[str, Tensor]:
        """Name of each figure and its value."""
        mse = self.error / self.samples
        bits = torch.tensor([(n - 1).bit_length() for n in self.levels], device=mse.device, dtype=mse.dtype)
        cells = self.cells / self.samples
        return {
            "mse": mse,
            "psnr": 10 * torch.log10(4 / mse),
            "perplexity": perplexity(self.counts).mean(),
            "bits_per_sample": bits.sum() * cells,
            "entropy_per_sample": index_entropy(self.counts).sum() * cells,
        }


def check_samples(spec: CodeSpec, codec: Any, kind: type[VQVAE | NonlinearTransform]) -> None:
    """Check that a codec is of a kind, and that data are the samples of signals that it takes.

    Raises:
        ValueError: If they are not.
    """
    if not isinstance(codec, kind):
        raise InputError(f"the codec to train is a {kind.__name__}; got {codec!r}")
    width = {torch.uint8: 8, torch.int16: 16}[codec.dtype]
    if not isinstance(spec, CodeSpec) or spec != PCM(width).spec(spec.shape):
        raise InputError(
            f"a learned codec is trained on samples as they are; got codes of {spec}: give the datamodule the codec "
            f"PCM(bit_width={width})"
        )
    codec.spec(spec.shape)


def unpadded(batch: tuple[Tensor, ...]) -> Tensor:
    """The signals of a batch.

    Raises:
        MisconfigurationException: If some are padded: a codec would learn the padding, and figures would count it.
    """
    signal, grid_size = batch[0], batch[2:]
    if grid_size and (grid_size[0] != torch.tensor(signal.shape[2:], device=signal.device)).any():
        raise MisconfigurationException(
            "signals of different size were padded, and a codec is neither trained nor measured on padding; crop "
            "them to one size, or take batch_size=1"
        )
    return signal


def log_figures(task: LightningModule, split: str, measure: Metric) -> None:
    """Log the figures of a split at the end of its epoch, and start anew."""
    task.log_dict({f"{split}_{name}": value.float() for name, value in measure.compute().items()})
    measure.reset()


def show(task: LightningModule, signal: Tensor, reconstruction: Tensor) -> None:
    """Show the first images above their reconstructions, both in [-1, 1]; none of the check before training."""
    is_image = signal.ndim == 4 and signal.shape[1] in (1, 3)
    if not is_image or task.trainer.sanity_checking or not task.trainer.is_global_zero:
        return
    rows = [torch.cat([*images[:_PICTURES].float()], dim=2) for images in (signal, reconstruction)]
    image = (torch.cat(rows, dim=1).clamp(-1, 1) + 1) / 2
    log_image(task.loggers, "reconstruction", image, task.global_step)
