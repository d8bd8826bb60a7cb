"""Small trained codecs that the package ships, each with a card."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from lossy_lightning.codecs import NonlinearTransform
from lossy_lightning.core import InputError
from lossy_lightning.core.described import describe_codec, make_codec
from lossy_lightning.weights._files import read_weights, write_weights

FOLDER = Path(__file__).parent / "codecs"
"""Where their files lie, a file of tensors and a card each."""
KIND = "trained codec"


class CodecCard(NamedTuple):
    """What is known of a trained codec.

    Attributes:
        title: What it is.
        data: That it was trained on.
        licence: Of the data, as their owners state it.
        command: Trains the codec and writes its file, in the root of a checkout.
        minutes: Of training by the clock, on one of two cores that did other work, too.
        parameters: Their number.
        bits: A pixel of the test images, as its entropy model tells.
        psnr: Of all samples of the test images together, dB.
        examples: Number of test images.
        bytes: Size of the file.
    """

    title: str
    data: str
    licence: str
    command: str
    minutes: float
    parameters: int
    bits: float
    psnr: float
    examples: int
    bytes: int

    def __str__(self) -> str:
        """As text, a line each."""
        return "\n".join(
            [
                self.title,
                f"data: {self.data} ({self.licence})",
                f"command: {self.command}",
                f"trained for {self.minutes:g} minutes",
                f"parameters: {self.parameters}",
                f"test images: {self.bits:.3f} bits a pixel, PSNR {self.psnr:.2f} dB, on {self.examples} images",
                f"size: {self.bytes / 1024:.1f} KiB",
            ]
        )


class TrainedCodec(NamedTuple):
    """A trained codec, ready for use.

    Attributes:
        codec: In evaluation mode.
        card: What is known of it.
    """

    codec: NonlinearTransform
    card: CodecCard


def list_codecs() -> tuple[str, ...]:
    """Names of the codecs, in the order of the alphabet.

    Example:
        >>> "cifar10-linear-analysis" in list_codecs()
        True
    """
    return tuple(sorted(path.stem for path in FOLDER.glob("*.safetensors")))


def load_codec(name: str) -> TrainedCodec:
    """A codec that the package ships, with its card.

    Args:
        name: One of `list_codecs`.

    Raises:
        ValueError: If there is no such codec.

    Example:
        >>> codec, card = load_codec("cifar10-linear-analysis")
        >>> codec.spec((3, 32, 32)).shape
        (12, 4, 4)
    """
    if name not in list_codecs():
        raise InputError(f"there is no codec {name!r}; there are {', '.join(list_codecs())}")
    card = CodecCard(**json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))
    return TrainedCodec(read_codec(FOLDER / f"{name}.safetensors"), card)


def write_codec(path: Path, codec: NonlinearTransform, made: dict[str, Any]) -> None:
    """Write a codec's file: what it is made of, and its tensors as they are.

    Args:
        path: Of the file.
        codec: The codec.
        made: Its class and arguments, as `describe_codec` takes them.
    """
    told, tensors = describe_codec(codec, made)
    write_weights(path, {"codec": told}, tensors, KIND)


def read_codec(path: Path) -> NonlinearTransform:
    """The codec in a file, in evaluation mode.

    Raises:
        ValueError: If it is no such file, one of a newer version of this package, or names classes that are not of
            this package.
    """
    told, tensors = read_weights(path, KIND)
    codec = make_codec(told["codec"], tensors)
    if not isinstance(codec, NonlinearTransform):
        raise InputError(f"{path} holds {codec}, which is no codec that was trained")
    return codec.eval()
