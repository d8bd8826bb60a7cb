"""A codec of your own: keep the upper bits of each pixel. Check it, then train on it."""

from functools import partial

from lightning.pytorch import Trainer, seed_everything
from torch import Tensor

from lossy_lightning.core import Codec, CodeSpec
from lossy_lightning.data import Digits
from lossy_lightning.nn import MLP, Bits
from lossy_lightning.tasks import ClassificationTask
from lossy_lightning.testing import check_codec


class UpperBits(Codec):
    """The ``bit_width`` most significant bits of 8-bit pixels."""

    idempotent = True

    def __init__(self, bit_width: int = 2) -> None:
        self.bit_width = bit_width

    def encode(self, signal: Tensor) -> Tensor:
        return signal >> (8 - self.bit_width)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        shift = 8 - self.bit_width
        return (code << shift) + (1 << shift >> 1)  # the middle of the interval

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        return CodeSpec.uniform(shape, 0, 2**self.bit_width - 1, ordinal=True)


def main(max_epochs: int = 20) -> None:
    seed_everything(0)
    codec = UpperBits(bit_width=2)
    check_codec(codec, shape=(1, 8, 8), max_distortion=32**2)
    data = Digits(codec)
    task = ClassificationTask(data.spec, data.num_classes, stem=partial(Bits, gray=True), backbone=MLP)
    trainer = Trainer(max_epochs=max_epochs)
    trainer.fit(task, data)
    trainer.test(task, data)


if __name__ == "__main__":
    main()
