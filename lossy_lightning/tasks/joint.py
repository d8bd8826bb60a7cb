"""Codec and classifier trained together, so that the codes keep what the task needs."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lossy_lightning.codecs import VQVAE
from lossy_lightning.codecs.learned._signals import to_unit
from lossy_lightning.core import CodeSpec, FeatureShape
from lossy_lightning.core.arguments import check_numbers
from lossy_lightning.tasks._codec_training import ReconstructionTask
from lossy_lightning.tasks.classification import ClassificationTask
from lossy_lightning.tasks.reconstruction import Reconstruction, check_samples, show, unpadded


class CodecFeatures(nn.Module):
    """A codec as the first layer of a classifier: samples ``(N, channels, *size)`` to quantized features.

    Args:
        codec: The codec.
        spec: Of the samples.
    """

    def __init__(self, codec: VQVAE, spec: CodeSpec) -> None:
        super().__init__()
        self.codec = codec
        self.shape = (codec.dim, *codec.spec(spec.shape).shape[1:])

    def forward(self, signal: Tensor) -> Tensor:
        """Features of a signal."""
        values: Tensor = self.codec(signal).values
        return values


class JointTask(ReconstructionTask, ClassificationTask):
    """Trains a `VQVAE` and a classifier on its quantized features together, on any datamodule of `PCM`.

    The loss is cross-entropy, plus the quantizer's own, plus ``reconstruction_weight`` times the mean squared error of
    samples scaled to [-1, 1]. At weight 0 the decoder learns from the codes as they come (weight 1, no gradient into
    the encoder), so that decoding stays meaningful and the codes serve the task alone.

    With `LFQ` the features are -1 and 1, and those of the stored codes through the stem `Bits` are the same.

    Logged are the figures of `ClassificationTask` and those of `Reconstruction`, by split. The trained codec is
    ``task.codec``; `VQVAE.from_checkpoint` takes it from the checkpoint.

    Args:
        spec: Of the samples, from the datamodule.
        num_classes: Number of classes.
        codec: The codec to train.
        backbone: Makes the classifier from the features' shape ``(dim, *grid)`` and the number of classes.
        reconstruction_weight: Weight of the reconstruction's error, 0 or more.
        optimizer: Makes the optimizer from the parameters of both.
        lr_scheduler: Makes the learning rate scheduler from the optimizer; it is stepped after each epoch.
        logit_scale: Factor of the backbone's outputs.

    Raises:
        ValueError: If the data are not the samples of signals that the codec takes, or the weight is negative.

    Example:
        >>> from vector_quantize_pytorch import LFQ
        >>> from lossy_lightning.codecs import PCM
        >>> from lossy_lightning.nn import MLP, BlockDecoder, BlockEncoder
        >>> codec = VQVAE(BlockEncoder((4, 4), dim=4), LFQ(dim=4), BlockDecoder((4, 4), dim=4))
        >>> task = JointTask(PCM().spec((1, 28, 28)), 10, codec, backbone=MLP, reconstruction_weight=0.1)
        >>> task(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape
        torch.Size([2, 10])
    """

    stem: CodecFeatures

    def __init__(
        self,
        spec: CodeSpec,
        num_classes: int,
        codec: VQVAE,
        backbone: Callable[[FeatureShape, int], nn.Module],
        reconstruction_weight: float = 0.0,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        logit_scale: float = 1.0,
    ) -> None:
        check_samples(spec, codec, VQVAE)
        check_numbers(0, reconstruction_weight=reconstruction_weight)
        stem = partial(CodecFeatures, codec)
        super().__init__(spec, num_classes, stem, backbone, optimizer, lr_scheduler, logit_scale)
        self.reconstruction_weight = reconstruction_weight
        self.train_reconstruction = Reconstruction(codec.levels)
        self.val_reconstruction = Reconstruction(codec.levels)
        self.test_reconstruction = Reconstruction(codec.levels)

    @property
    def codec(self) -> VQVAE:
        """The codec that is trained."""
        return self.stem.codec

    def evaluate(self, batch: tuple[Tensor, ...], split: str) -> tuple[Tensor, Tensor]:
        """Logits ``(N, num_classes)`` and loss of a batch of "train", "val" or "test"."""
        signal, target = unpadded(batch), batch[1]
        latents = self.codec(signal)
        logits = self.logit_scale * self.backbone(latents.values)
        values = latents.values if self.reconstruction_weight else latents.values.detach()
        reconstruction = self.codec.reconstruct(values, tuple(signal.shape))
        error = F.mse_loss(reconstruction, to_unit(signal))
        getattr(self, f"{split}_reconstruction").update(to_unit(signal), reconstruction, latents.indices)
        return logits, F.cross_entropy(logits, target) + latents.loss + (self.reconstruction_weight or 1) * error

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """Log loss and accuracy of a validation batch, and show the first images."""
        super().validation_step(batch, batch_idx)
        if batch_idx == 0:
            signal = batch[0][:8]
            show(self, to_unit(signal), self.codec.reconstruct(self.codec(signal).values, tuple(signal.shape)))
