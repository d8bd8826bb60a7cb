"""How codes are read: one kind of residual network at one budget, behind a stem that fits the code.

On 32x32 all arms have the network that the study of complexity chose for pixels at this budget; on their own grids
those that it tries on pixels of such sizes. Only widths differ, by what stems and decoders leave of the budget.
"""

from bisect import bisect_right
from copy import deepcopy
from functools import cache

import torch
from torch import Tensor, nn

from experiments.codecs.numbers import TrainedAlong
from experiments.complexity.costs import step
from experiments.complexity.reading import Unfolded
from experiments.complexity.study import chosen
from experiments.complexity.trials import SHAPE, Recipe, changes
from lossy_lightning.augmentation import PixelFlip, PixelShift
from lossy_lightning.codecs import JPEG, PCM, HEVCTransform, NonlinearTransform, TransformCodec
from lossy_lightning.core import Codec
from lossy_lightning.nn import ChannelBatchNorm, CodebookSum, ResNet, Scale
from lossy_lightning.profiling import count_macs

BUDGET = 3.0
"""Millions of MACs of stem, decoder and network."""
BATCH_SIZE = 128


class Restored(nn.Module):
    """Images in [-1, 1], as a decoder makes them of codes; nothing is rounded.

    Args:
        decoder: Of the codec.
        trained: Whether it is trained with the network.
    """

    shape = SHAPE

    def __init__(self, decoder: nn.Module, trained: bool = False) -> None:
        super().__init__()
        self.decoder = deepcopy(decoder).requires_grad_(trained)

    def forward(self, code: Tensor) -> Tensor:
        """Images ``(N, 3, 32, 32)`` of codes."""
        with torch.autocast(code.device.type, enabled=False):
            image: Tensor = self.decoder(code.float())
        return image


class Latents(nn.Module):
    """Latents of a learned codec at their own resolution, each channel normalised; what else files hold is left out.

    Args:
        codec: The codec.
    """

    def __init__(self, codec: NonlinearTransform) -> None:
        super().__init__()
        self.spec = codec.spec(SHAPE)
        side = SHAPE[1] // codec.stride[0]
        self.shape = (codec.dim, side, side)
        self.norm = nn.BatchNorm2d(codec.dim)

    def forward(self, code: Tensor) -> Tensor:
        """Latents of codes."""
        normed: Tensor = self.norm(self.spec.split(code)["latents"].float())
        return normed


class Words(nn.Module):
    """Words of codebook indices, each channel normalised.

    Args:
        codec: One that has codebooks.
    """

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        spec, books = codec.spec(SHAPE), codec.codebooks()
        assert books is not None
        self.words = CodebookSum(spec, books.shape[-1])
        self.words.adapt([codec], spec, None)  # type: ignore[arg-type]  # statistics are not read
        self.shape = self.words.shape
        self.norm = nn.BatchNorm2d(books.shape[-1])

    def forward(self, code: Tensor) -> Tensor:
        """Words at each position."""
        normed: Tensor = self.norm(self.words(code))
        return normed


def stem_of(codec: Codec, fine: bool) -> nn.Module:
    """What reads a codec's code first; on 32x32 its decoder."""
    spec = codec.spec(SHAPE)
    if fine:
        along = isinstance(codec, TrainedAlong)
        return Restored(codec.decoder, along)  # type: ignore[attr-defined]  # those that are decoded have one
    if codec.codebooks() is not None:
        return Words(codec)
    if isinstance(codec, NonlinearTransform):
        return Latents(codec)
    if isinstance(codec, JPEG) or (isinstance(codec, TransformCodec) and isinstance(codec.analysis, HEVCTransform)):
        stem = Unfolded(spec, size=4)
        stem.adapt([codec], spec, None)  # type: ignore[arg-type]
        return stem
    return Scale(spec) if isinstance(codec, PCM) else ChannelBatchNorm(spec)


def network(codec: Codec, fine: bool, unit: int) -> nn.Sequential:
    """Stem and residual network, with widths in so many quarters of a channel."""
    stem = stem_of(codec, fine)
    arm, recipe = _recipe(stem.shape[1])  # type: ignore[index, arg-type]
    told = changes(arm, recipe, unit)["model"]["init_args"]["backbone"]["init_args"]
    return nn.Sequential(stem, ResNet(stem.shape, 10, bottleneck=False, entry_pool=False, **told))  # type: ignore[arg-type]


@cache
def _recipe(side: int) -> tuple[str, Recipe]:
    """A network of the study of complexity, for features of so many places along each axis."""
    if side == SHAPE[1]:
        return "pixels", chosen("pixels", BUDGET)
    return "pixels at reduced size", Recipe("1/2" if side > 8 else "1/4")


def macs(codec: Codec, fine: bool, unit: int) -> int:
    """Multiply-accumulates of one image, from its code on."""
    code = codec.encode(torch.zeros(1, *SHAPE, dtype=torch.uint8))
    return sum(count_macs(network(codec, fine, unit).eval(), code).values())


def fitted(codec: Codec, fine: bool) -> int:
    """The greatest width, in quarters of a channel, of which a network keeps to the budget.

    Raises:
        ValueError: If there is none, as the decoder takes it all.
    """
    unit = bisect_right(range(1, 400), 1e6 * BUDGET, key=lambda unit: macs(codec, fine, unit))
    if not unit:
        raise ValueError(f"the decoder of {codec} leaves nothing of {BUDGET:g} MMAC for a network")
    return unit


def train(model: nn.Module, codec: Codec, images: Tensor, labels: Tensor, epochs: int, lr: float) -> None:
    """SGD along a cosine; images are flipped, moved by up to 4 pixels and encoded anew in each batch."""
    flip, shift = PixelFlip(), PixelShift(4)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    model.to(memory_format=torch.channels_last).train()
    for _ in range(epochs):
        for index in torch.randperm(len(images)).split(BATCH_SIZE)[: max(1, len(images) // BATCH_SIZE)]:
            step(model, optimizer, codec.encode(shift(flip(images[index]))), labels[index])
        schedule.step()
