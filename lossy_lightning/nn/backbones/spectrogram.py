"""The small real network that the literature trains on spectrograms."""

from typing import cast

from torch import Tensor, nn

from lossy_lightning.core import FeatureShape, InputError
from lossy_lightning.core.arguments import check_integers, check_numbers
from lossy_lightning.nn.backbones._shapes import fixed_shape


class SpectrogramCNN(nn.Sequential):
    """A baseline on spectrograms: batch norm, two 3x3 convolutions with ReLU, each pooled, and two linear layers.

    32 and 64 channels without padding, then 128 features, all real and with biases. On 128x128 and 8 classes it has
    7 392 778 parameters and makes 80 531 584 multiply-accumulates. Weights are drawn as Keras draws them: with
    PyTorch's smaller ones, a run of ten epochs may never get beyond chance.

    Args:
        shape: Shape ``(C, H, W)`` of the features it reads, without batch.
        num_classes: Number of outputs.
        dropout: Probability that a feature before the last layer is dropped, in training; behind the convolutions it is
            half of that.

    Raises:
        ValueError: If ``shape`` is not ``(C, H, W)`` of 10x10 or more, or ``dropout`` is not in [0, 1).

    Source:
        TensorFlow tutorials, "Simple audio recognition: Recognizing keywords"; Glorot, Bengio, Understanding the
        difficulty of training deep feedforward neural networks, AISTATS 2010, section 4.2.1 (initialisation).

    Example:
        >>> import torch
        >>> SpectrogramCNN((1, 128, 128), num_classes=8)(torch.randn(2, 1, 128, 128)).shape
        torch.Size([2, 8])
    """

    def __init__(self, shape: FeatureShape, num_classes: int, dropout: float = 0.5) -> None:
        sizes = fixed_shape(shape) or ()
        if len(sizes) != 3 or min(sizes[1:]) < 10:
            raise InputError(
                f"SpectrogramCNN reads features of one fixed shape (C, H, W) of 10x10 or more; got {shape}"
            )
        check_integers(1, num_classes=num_classes)
        check_numbers(0, 1, excluded=1, dropout=dropout)
        depth, height, width = sizes
        rows, columns = (((size - 2) // 2 - 2) // 2 for size in (height, width))
        super().__init__(
            nn.BatchNorm2d(depth),
            *(nn.Conv2d(depth, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Dropout(dropout / 2), nn.Flatten()),
            *(nn.Linear(64 * rows * columns, 128), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(128, num_classes),
        )
        for layer in self:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(cast(Tensor, layer.bias))
