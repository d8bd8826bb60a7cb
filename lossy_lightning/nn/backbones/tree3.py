"""Tree-3: a network in which a weight reaches an output on one route."""

import torch
from torch import Tensor, nn

from lossy_lightning.core import FeatureShape, InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.nn.backbones._shapes import fixed_shape


class Tree3(nn.Module):
    """Tree-3: filters of each channel alone, a tree that samples them without overlap, and a linear layer.

    Each input channel has filters of its own, ReLU and maximum pooling. A unit of the tree weighs some whole rows of
    all filters of one channel; each branch has a tree of its own. So a filter's output reaches one unit of a branch,
    and that unit an output by one weight: one route, of which a `ConvNet` has many. By default the larger network of
    the paper.

    Args:
        shape: Shape ``(C, H, W)`` of the features it reads, without batch: pixels, or one-hot codes.
        num_classes: Number of outputs.
        filters: Of each channel, K in the paper.
        branches: Number of trees, M in the paper.
        kernel_size: Of the filters, which are not padded.
        pool: Size of the pooling.
        rows: Pooled rows that a unit of the tree weighs; 4 for digits of 28x28 in the paper.

    Raises:
        ValueError: If the shape is not fixed, or too small, or its pooled rows are no multiple of ``rows``.

    Source:
        Meir et al., Learning on tree architectures outperforms a convolutional feedforward network, Scientific Reports
        13, 2023, figure 1c and Methods.

    Example:
        >>> Tree3((3, 32, 32), 10)(torch.randn(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        shape: FeatureShape,
        num_classes: int,
        filters: int = 15,
        branches: int = 80,
        kernel_size: int = 5,
        pool: int = 2,
        rows: int = 2,
    ) -> None:
        super().__init__()
        check_integers(1, num_classes=num_classes, filters=filters, branches=branches)
        check_integers(1, kernel_size=kernel_size, pool=pool, rows=rows)
        sizes = fixed_shape(shape) or ()
        if len(sizes) != 3:
            raise InputError(f"Tree3 reads features of one fixed shape (C, H, W); got {shape}")
        channels, height, width = sizes[0], *((size - kernel_size + 1) // pool for size in sizes[1:])
        if min(height, width) < 1 or height % rows:
            raise InputError(
                f"rows ({rows}) divides the rows behind filters and pooling; {shape} leaves {height}: set kernel_size, "
                "pool or rows"
            )
        self.channels, self.units = channels, height // rows
        self.filters = nn.Conv2d(channels, channels * filters, kernel_size, groups=channels)
        self.pool = nn.MaxPool2d(pool)
        leaves = filters * rows * width
        self.tree = nn.Parameter(torch.empty(channels * self.units, leaves, branches))
        self.bias = nn.Parameter(torch.zeros(channels * self.units, 1, branches))
        self.relu = nn.ReLU()
        self.classifier = nn.Linear(channels * self.units * branches, num_classes)
        nn.init.kaiming_normal_(self.filters.weight, nonlinearity="relu")
        nn.init.normal_(self.tree, std=(2 / leaves) ** 0.5)
        nn.init.kaiming_normal_(self.classifier.weight, nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` of features ``(N, C, H, W)``."""
        pooled = self.pool(self.relu(self.filters(features)))
        logits: Tensor = self.classifier(self.branch(pooled).transpose(0, 1).flatten(1))
        return logits

    def branch(self, pooled: Tensor) -> Tensor:
        """Units of all trees, ``(channels * units, N, branches)``, of pooled filters ``(N, channels * K, H, W)``."""
        whole = torch.unflatten(pooled, 1, (self.channels, -1))
        rows = torch.unflatten(whole, 3, (self.units, -1)).transpose(2, 3)  # N, channels, units, K, rows, columns
        leaves = rows.flatten(3).flatten(1, 2).transpose(0, 1)
        units: Tensor = self.relu(torch.bmm(leaves, self.tree) + self.bias)
        return units
