"""Pictures, sounds and texts for whatever loggers a run has."""

import io
import tempfile
import wave
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Medium(NamedTuple):
    """Something to see or hear.

    Attributes:
        kind: ``"image"``, ``"audio"`` or ``"text"``.
        content: ``(1 or 3, H, W)`` uint8, ``(1, samples)`` int16, or the text.
        sample_rate: Of a sound, in Hz.
    """

    kind: str
    content: Any
    sample_rate: int = 0

    @property
    def file(self) -> tuple[str, bytes]:
        """Ending and bytes of a file that holds it."""
        if self.kind == "text":
            return ".md", self.content.encode()
        return (".png", _png(self.content)) if self.kind == "image" else (".wav", _wav(self.content, self.sample_rate))


def log_image(loggers: Iterable[Any], tag: str, image: Tensor, step: int) -> None:
    """Hand a picture to loggers: TensorBoard, W&B and MLflow show it, CSV keeps it as a file beside its table.

    Args:
        loggers: Lightning's.
        tag: Name under which it is logged.
        image: ``(1 or 3, H, W)``, uint8, or real from 0 to 1.
        step: Of the training.
    """
    pixels = image if image.dtype == torch.uint8 else (image * 255).round().clamp(0, 255).to(torch.uint8)
    _log(loggers, tag, Medium("image", pixels.cpu()), step)


def log_audio(loggers: Iterable[Any], tag: str, sound: Tensor, sample_rate: int, step: int) -> None:
    """As `log_image`, a sound.

    Args:
        loggers: Lightning's.
        tag: Name under which it is logged.
        sound: ``(channels, samples)`` int16; channels are averaged.
        sample_rate: In Hz.
        step: Of the training.
    """
    mono = sound.float().mean(0, keepdim=True).round().to(torch.int16)
    _log(loggers, tag, Medium("audio", mono.cpu(), sample_rate), step)


def log_text(loggers: Iterable[Any], tag: str, text: str, step: int) -> None:
    """As `log_image`, a text in Markdown."""
    _log(loggers, tag, Medium("text", text), step)


def _log(loggers: Iterable[Any], tag: str, medium: Medium, step: int) -> None:
    from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger  # slow to import

    for logger in loggers:
        match logger:
            case TensorBoardLogger():
                _tensorboard(logger.experiment, tag, medium, step)
            case WandbLogger():
                _wandb(logger, tag, medium, step)
            case MLFlowLogger():
                _mlflow(logger, tag, medium, step)
            case CSVLogger():
                ending, data = medium.file
                path = Path(logger.log_dir, "media", f"{tag}-{step}{ending}")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)


def _tensorboard(writer: Any, tag: str, medium: Medium, step: int) -> None:
    if medium.kind == "image":
        writer.add_image(tag, medium.content, step)
    elif medium.kind == "audio":
        writer.add_audio(tag, medium.content.float() / 2**15, step, sample_rate=medium.sample_rate)
    else:
        writer.add_text(tag, medium.content, step)


def _wandb(logger: Any, tag: str, medium: Medium, step: int) -> None:
    if medium.kind == "image":
        logger.log_image(tag, [_pixels(medium.content)], step)
    elif medium.kind == "audio":
        logger.log_audio(tag, [medium.content[0].numpy()], step, sample_rate=[medium.sample_rate])
    else:
        logger.log_text(tag, columns=["text"], data=[[medium.content]], step=step)


def _mlflow(logger: Any, tag: str, medium: Medium, step: int) -> None:
    ending, data = medium.file
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{step}{ending}")
        path.write_bytes(data)
        logger.experiment.log_artifact(logger.run_id, str(path), tag)


def _pixels(image: Tensor) -> Any:
    return image.permute(1, 2, 0).squeeze(-1).numpy()


def _png(image: Tensor) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(_pixels(image)).save(file, "PNG")
    return file.getvalue()


def _wav(sound: Tensor, sample_rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes(sound.numpy().astype("<i2").tobytes())
    return file.getvalue()
