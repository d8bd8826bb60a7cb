"""Training of learned codecs for few bits and little distortion."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim

from lossy_lightning.codecs import NonlinearTransform
from lossy_lightning.codecs.learned import Compressed
from lossy_lightning.codecs.learned._signals import to_unit
from lossy_lightning.core import CodeSpec
from lossy_lightning.core.arguments import check_numbers
from lossy_lightning.tasks._codec_training import CodecTask
from lossy_lightning.tasks._wiring import check_optimizers, save_plain_hyperparameters
from lossy_lightning.tasks.reconstruction import check_samples

_LEAST_SIZE = 176  # five scales of MS-SSIM, the coarsest not smaller than its window of 11


class RateDistortion(Metric):
    """Rate and distortion of a learned codec, averaged over all examples seen.

    - ``bits_per_pixel`` of images, ``bits_per_sample`` of sounds, as the entropy model tells; a pixel has all
      channels, a sample is one of one channel;
    - ``psnr``: ``10 log10(4 / mse)`` in dB of each example, samples in [-1, 1], clipped but not rounded;
    - ``ms_ssim``: multi-scale structural similarity, 0 to 1, of pictures of at least 176 pixels along each side.

    Source:
        Wang, Simoncelli and Bovik, Multi-scale structural similarity for image quality assessment, Asilomar 2003.

    Example:
        >>> measure = RateDistortion()
        >>> samples = torch.zeros(1, 1, 8)
        >>> measure.update(samples, Compressed(samples + 0.2, torch.tensor([4.0])))
        >>> {name: round(float(value), 2) for name, value in measure.compute().items()}
        {'bits_per_sample': 0.5, 'psnr': 20.0}
    """

    bits: Tensor
    samples: Tensor
    psnr: Tensor
    similarity: Tensor
    examples: Tensor
    large: Tensor

    def __init__(self) -> None:
        super().__init__()
        self._rate = "bits_per_sample"
        for name in ("bits", "samples", "psnr", "similarity", "examples", "large"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, signal: Tensor, compressed: Compressed) -> None:
        """Add a batch of signals ``(N, channels, *size)`` in [-1, 1]."""
        reconstruction = compressed.reconstruction.detach().float().clamp(-1, 1)
        error = (reconstruction - signal.float()).square().flatten(1).mean(1).double()
        self.psnr = self.psnr + (10 * torch.log10(4 / error)).sum()
        self.bits = self.bits + compressed.bits.detach().double().sum()
        is_image = signal.ndim == 4
        self._rate = "bits_per_pixel" if is_image else "bits_per_sample"
        self.samples = self.samples + (signal[:, 0] if is_image else signal).numel()
        self.examples = self.examples + len(signal)
        if is_image and min(signal.shape[2:]) >= _LEAST_SIZE:
            found: Any = ms_ssim(reconstruction + 1, signal.float() + 1, reduction="sum", data_range=2.0)
            self.similarity = self.similarity + found
            self.large = self.large + len(signal)

    def compute(self) -> dict[str, Tensor]:
        """Name of each figure and its value."""
        found = {self._rate: self.bits / self.samples, "psnr": self.psnr / self.examples}
        return {**found, "ms_ssim": self.similarity / self.large} if self.large else found


class RateDistortionTask(CodecTask):
    """Trains a `Factorized` or `Hyperprior` codec on any `EncodedDataModule` whose codec is `PCM`.

    The loss is ``rate + reconstruction_weight * 255^2 * mse``: bits of a pixel, or of all channels of a sound at one
    time, and the error of samples scaled to [0, 1]. Logged for ``train``, ``val`` and ``test``: ``…_loss``, and the
    figures of `RateDistortion`; in training with noise in place of rounding. At the end of each validation, images
    and, below them, their reconstructions stand in TensorBoard as ``reconstruction``. The tables of the codec's files
    are made anew whenever a checkpoint is written, and at the end.

    The trained codec is ``task.codec``; its class's ``from_checkpoint`` takes it from the checkpoint.

    Args:
        spec: Of the samples, from the datamodule.
        codec: The codec to train.
        reconstruction_weight: Of the distortion: greater for more bits and a better picture; 0.0018 to 0.18 in the
            literature.
        optimizer: Makes the optimizer from the parameters.
        lr_scheduler: Makes the learning rate scheduler from the optimizer; it is stepped after each epoch.

    Raises:
        ValueError: If the data are not the samples of signals that the codec takes.

    Source:
        Ballé et al., Variational image compression with a scale hyperprior, ICLR 2018, equation 1.

    Example:
        >>> from lossy_lightning.codecs import PCM, Factorized
        >>> from lossy_lightning.nn import GDNDecoder, GDNEncoder
        >>> codec = Factorized(GDNEncoder(12, hidden=[16]), GDNDecoder(12, hidden=[16]), dim=12)
        >>> task = RateDistortionTask(PCM().spec((3, 32, 32)), codec, reconstruction_weight=0.01)
        >>> task(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self,
        spec: CodeSpec,
        codec: NonlinearTransform,
        reconstruction_weight: float = 0.01,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__()
        check_samples(spec, codec, NonlinearTransform)
        check_numbers(0, reconstruction_weight=reconstruction_weight)
        check_optimizers(optimizer, lr_scheduler)
        save_plain_hyperparameters(self)
        self.spec = spec
        self.codec = codec
        self.reconstruction_weight = reconstruction_weight
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.train_reconstruction = RateDistortion()
        self.val_reconstruction = RateDistortion()
        self.test_reconstruction = RateDistortion()

    def forward(self, signal: Tensor) -> Tensor:
        """Reconstruction in [-1, 1] of signals ``(N, channels, *size)``, not rounded."""
        reconstruction: Tensor = self.codec(signal).reconstruction
        return reconstruction

    def on_train_end(self) -> None:
        """Make the tables of the codec's files anew."""
        self.codec.update_tables()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make the tables anew; those in the checkpoint share their memory."""
        self.codec.update_tables()

    def evaluate(self, signal: Tensor, split: str) -> tuple[Tensor, Tensor]:
        """Loss and reconstructions of signals of "train", "val" or "test"."""
        unit = to_unit(signal)
        compressed = self.codec(signal)
        rate = compressed.bits.mean() / math.prod(signal.shape[2:])
        # Samples in [-1, 1] differ twice as much as those in [0, 1].
        loss: Tensor = rate + self.reconstruction_weight * 255**2 / 4 * F.mse_loss(compressed.reconstruction, unit)
        getattr(self, f"{split}_reconstruction").update(unit, compressed)
        self.log(f"{split}_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(signal))
        return loss, compressed.reconstruction
