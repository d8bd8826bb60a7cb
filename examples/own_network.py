"""A network trained elsewhere as a codec: one part makes latents of images, one images of latents."""

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn

from lossy_lightning.core import Codec, CodeSpec
from lossy_lightning.data import Digits
from lossy_lightning.functional import crop, pad_to_multiple, undisturbed
from lossy_lightning.nn import MLP, Scale
from lossy_lightning.tasks import ClassificationTask
from lossy_lightning.testing import check_codec


class Network(Codec, nn.Module):
    """Latents of a network, rounded to multiples of a step, -127 to 127 times it."""

    idempotent = False
    learned = True
    exact = False  # float32

    def __init__(self, analysis: nn.Module, synthesis: nn.Module, channels: int, stride: int, step: float) -> None:
        super().__init__()
        self.analysis, self.synthesis = analysis, synthesis
        self.channels, self.stride, self.step = channels, stride, step

    def encode(self, signal: Tensor) -> Tensor:
        images = pad_to_multiple(signal.view(-1, *signal.shape[-3:]) / 255, (self.stride, self.stride))
        with undisturbed(self):
            code = (self.analysis(images) / self.step).round().clamp(-127, 127).to(torch.int8)
        return code.view(*signal.shape[:-3], *code.shape[1:])

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        with undisturbed(self):
            images = self.synthesis(code.view(-1, *code.shape[-3:]) * self.step)
        signal = (255 * images).round().clamp(0, 255).to(torch.uint8).view(*code.shape[:-3], *images.shape[1:])
        return signal if shape is None else crop(signal, shape[-2:])

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        grid = [None if size is None else -(-size // self.stride) for size in shape[1:]]
        return CodeSpec.uniform((self.channels, *grid), -127, 127, ordinal=True)


class StandIn(nn.Module):
    """What CompressAI's models have: ``g_a`` makes latents, ``g_s`` images; here means of squares, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.g_a = nn.Conv2d(1, 4, 2, 2)
        self.g_s = nn.ConvTranspose2d(4, 1, 2, 2)
        with torch.no_grad():
            for layer in (self.g_a, self.g_s):
                layer.weight.copy_(torch.eye(4).view(4, 1, 2, 2))
                layer.bias.zero_()


def main(max_epochs: int = 20) -> None:
    seed_everything(0)
    model = StandIn()
    codec = Network(model.g_a, model.g_s, channels=4, stride=2, step=0.05)
    check_codec(codec, shape=(1, 8, 8), max_distortion=(0.05 * 255 / 2) ** 2)
    data = Digits(codec)
    task = ClassificationTask(data.spec, data.num_classes, stem=Scale, backbone=MLP)
    trainer = Trainer(max_epochs=max_epochs)
    trainer.fit(task, data)
    trainer.test(task, data)


if __name__ == "__main__":
    main()
