"""YAMNet: tags of sounds."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from lossy_lightning.core import FeatureShape, InputError, valid_positions
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.nn.backbones._log_mel import PATCH, PATCH_HOP, LogMel
from lossy_lightning.nn.backbones._mobile_parts import initialise, pad_as_tensorflow, separable_parts
from lossy_lightning.nn.backbones._shapes import channels_of
from lossy_lightning.nn.layers._padding import mask, mean_of_valid

_RATE = 16_000


class YAMNet(nn.Module):
    """YAMNet: a MobileNet V1 on patches of 0.96 s of a log-mel spectrogram, for sounds of any length.

    It reads waveforms, mono at 16 kHz, in [-1, 1], such as `Scale` gives of int16 samples. The published weights, for
    521 tags of AudioSet, are loaded by `load_tflite_weights`; `scores` are then those that the published network gives
    of each patch. Logits are of the mean of the patches' features, so that they can be trained. Padding never changes
    them.

    Args:
        shape: Shape ``(1, samples)`` of the waveforms, without batch; samples may vary (None).
        num_classes: Number of outputs; 521 for the published tags.
        sample_rate: Of the sounds, in Hz; the network knows 16 000 alone, and refuses others.

    Raises:
        ValueError: If sounds are not mono, or have another rate.

    Source:
        Plakal, Ellis, YAMNet, tensorflow/models, ``research/audioset/yamnet``; Gemmeke et al., Audio Set, ICASSP 2017.

    Example:
        >>> import torch
        >>> net = YAMNet((1, None), 521).eval()
        >>> signal = torch.zeros(1, 1, 30_000)
        >>> net(signal).shape, net.embed(signal).shape, net.scores(signal).shape
        (torch.Size([1, 521]), torch.Size([1, 1024]), torch.Size([1, 3, 521]))
    """

    def __init__(self, shape: FeatureShape, num_classes: int, sample_rate: int = _RATE) -> None:
        super().__init__()
        check_integers(1, num_classes=num_classes)
        if sample_rate != _RATE:
            raise InputError(
                f"YAMNet reads sounds at 16000 Hz; got {sample_rate=}: set sample_rate=16000 of the data module, which "
                "resamples them"
            )
        if channels_of(shape, 1, "YAMNet") != 1:
            raise InputError(f"YAMNet reads mono sounds (1, samples); got {shape}: mix channels down")
        self.log_mel = LogMel()
        parts = separable_parts(1, 1.0, nn.ReLU, eps=1e-4)
        self.features = nn.Sequential(OrderedDict((str(i), part) for i, part in enumerate(parts)))
        pad_as_tensorflow(self.features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(1024, num_classes))
        initialise(self)

    def embed_patches(self, features: Tensor) -> Tensor:
        """Waveforms ``(N, 1, samples)`` to features of each patch, ``(N, patches, 1024)``; a patch every 0.48 s."""
        patches = self.log_mel(features.flatten(1))
        found = self.avgpool(self.features(patches.flatten(0, 1).unsqueeze(1)))
        return torch.unflatten(found.flatten(1), 0, (patches.shape[0], patches.shape[1]))

    def scores(self, features: Tensor) -> Tensor:
        """Scores of each tag and patch, from 0 to 1: ``(N, 1, samples)`` to ``(N, patches, num_classes)``."""
        logits: Tensor = self.classifier(self.embed_patches(features))
        return logits.sigmoid()

    def embed(self, features: Tensor, grid_size: Tensor | None = None) -> Tensor:
        """Mean over the patches of each example's own samples: ``(N, 1, samples)`` to ``(N, 1024)``."""
        valid = None
        if grid_size is not None:
            features = mask(features, valid_positions(grid_size, (features.shape[2],)))
        found = self.embed_patches(features).mT
        if grid_size is not None:
            own = 1 + (-((PATCH - grid_size) // PATCH_HOP)).clamp(min=0)
            valid = valid_positions(own, (found.shape[2],))
        return mean_of_valid(found, valid)

    def forward(self, features: Tensor, grid_size: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes)`` of waveforms ``(N, 1, samples)``, each of its ``grid_size``."""
        logits: Tensor = self.classifier(self.embed(features, grid_size))
        return logits
