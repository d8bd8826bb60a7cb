"""Training of learned codecs for reconstruction."""

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torchmetrics import MeanMetric, Metric

from lossy_lightning.codecs import VQVAE
from lossy_lightning.codecs.learned._signals import to_unit
from lossy_lightning.core import CodeSpec
from lossy_lightning.tasks._codec_training import CodecTask
from lossy_lightning.tasks._wiring import check_optimizers, save_plain_hyperparameters
from lossy_lightning.tasks.reconstruction import Reconstruction, check_samples


class VQVAETask(CodecTask):
    """Trains a `VQVAE` to reconstruct signals, on any `EncodedDataModule` whose codec is `PCM`.

    The loss is the mean squared error of samples scaled to [-1, 1], plus the quantizer's own. Logged for ``train``,
    ``val`` and ``test``, of the whole split (see `Reconstruction` for each figure): ``…_loss``, ``…_mse``, ``…_psnr``,
    ``…_perplexity``, ``…_bits_per_sample`` and ``…_entropy_per_sample``. At the end of each validation, images
    and, below them, their reconstructions stand in TensorBoard as ``reconstruction``.

    The trained codec is ``task.codec``; `VQVAE.from_checkpoint` takes it from the checkpoint.

    Args:
        spec: Of the samples, from the datamodule.
        codec: The codec to train.
        optimizer: Makes the optimizer from the parameters.
        lr_scheduler: Makes the learning rate scheduler from the optimizer; it is stepped after each epoch.

    Raises:
        ValueError: If the data are not the samples of signals that the codec takes.

    Example:
        >>> from vector_quantize_pytorch import VectorQuantize
        >>> from lossy_lightning.codecs import PCM
        >>> from lossy_lightning.nn import ConvDecoder, ConvEncoder
        >>> codec = VQVAE(ConvEncoder(dim=4), VectorQuantize(4, 16, threshold_ema_dead_code=2), ConvDecoder(dim=4))
        >>> task = VQVAETask(PCM().spec((1, 28, 28)), codec)
        >>> task(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self,
        spec: CodeSpec,
        codec: VQVAE,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__()
        check_samples(spec, codec, VQVAE)
        check_optimizers(optimizer, lr_scheduler)
        save_plain_hyperparameters(self)
        self.spec = spec
        self.codec = codec
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.train_loss = MeanMetric(nan_strategy=float("nan"))
        self.val_loss = self.train_loss.clone()
        self.test_loss = self.train_loss.clone()
        self.train_reconstruction = Reconstruction(codec.levels)
        self.val_reconstruction = Reconstruction(codec.levels)
        self.test_reconstruction = Reconstruction(codec.levels)

    def forward(self, signal: Tensor) -> Tensor:
        """Reconstruction in [-1, 1] of signals ``(N, channels, *size)``, not rounded."""
        return self.codec.reconstruct(self.codec(signal).values, tuple(signal.shape))

    def evaluate(self, signal: Tensor, split: str) -> tuple[Tensor, Tensor]:
        """Loss and reconstructions of signals of "train", "val" or "test"."""
        mean_loss: Metric = getattr(self, f"{split}_loss")
        latents = self.codec(signal)
        reconstruction = self.codec.reconstruct(latents.values, tuple(signal.shape))
        loss = F.mse_loss(reconstruction, to_unit(signal)) + latents.loss
        mean_loss.update(loss.detach(), len(signal))
        getattr(self, f"{split}_reconstruction").update(to_unit(signal), reconstruction, latents.indices)
        self.log(f"{split}_loss", mean_loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(signal))
        return loss, reconstruction
