"""Codes that look as if their signals had been coded once more."""

from collections.abc import Sequence

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lossy_lightning.augmentation._adapted import Adapted
from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, InputError
from lossy_lightning.core.arguments import check_numbers


class Recompression(Adapted):
    """Decodes codes and encodes the signals again, each by one of several codecs, drawn at random.

    Files are often coded several times, and how well says nothing of what they show; a network that is trained so leans
    less on it. Only what a code still holds is coded again, not the original. It takes codes of any codecs whose codes
    are of one kind, in common units: ``JPEG(dequantize=True)`` of several qualities, or pixels, ``Decoded(JPEG(…))``.

    Args:
        codecs: What is drawn from, each as likely.
        probability: That an example is coded again.

    Raises:
        ValueError: If there is no codec, one is none, or the probability is not from 0 to 1.

    Example:
        >>> from lossy_lightning.codecs import JPEG, Decoded
        >>> augmentation = Recompression([Decoded(JPEG(quality)) for quality in (10, 50, 90)], probability=0.5)
    """

    def __init__(self, codecs: list[Codec], probability: float = 1.0) -> None:
        super().__init__()
        if not isinstance(codecs, Sequence) or not codecs or not all(isinstance(codec, Codec) for codec in codecs):
            raise InputError(f"codecs is a list of one or more codecs, such as [JPEG(10), JPEG(50)]; got {codecs!r}")
        check_numbers(0, 1, probability=probability)
        self.codecs = list(codecs)
        self.probability = probability
        self._decoders = [self.codecs[0]]  # in a list, so that it is no part of this module if it is one itself

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over what decodes the codes.

        Raises:
            MisconfigurationException: If codes of the codecs are not in common units.
        """
        known = [codec.steps() for codec in (*codecs, *self.codecs)]
        for codec, steps in zip((*codecs, *self.codecs), known, strict=True):
            if not _alike(steps, known[0]):
                raise MisconfigurationException(
                    f"Recompression mixes codes of several codecs, but those of {codecs[0]} and {codec} differ in "
                    "their quantization steps: set dequantize=True"
                )
        super().adapt(codecs, spec, statistics)
        self._decoders = [codecs[0]]

    def augment(self, code: Tensor) -> Tensor:
        """Codes, some of them coded again.

        Raises:
            ValueError: If a codec makes codes of another shape.
        """
        code = code.clone()
        (chosen,) = (torch.rand(len(code), device=code.device) < self.probability).nonzero(as_tuple=True)
        if not len(chosen):
            return code
        (decoder,) = self._decoders
        signals = _on(decoder, code).decode(code[chosen] if decoder.on_device else code[chosen].cpu())
        drawn = torch.randint(len(self.codecs), (len(chosen),), device=code.device)
        for number, codec in enumerate(self.codecs):
            (those,) = (drawn == number).nonzero(as_tuple=True)
            if len(those):
                signal = signals[those.to(signals.device)]
                again = _on(codec, code).encode(signal.to(code.device) if codec.on_device else signal.cpu())
                if again.shape[1:] != code.shape[1:]:
                    raise InputError(
                        f"{codec} makes codes of shape {tuple(again.shape[1:])} of what has {tuple(code.shape[1:])}; "
                        "use codecs of the data's own kind"
                    )
                code[chosen[those]] = again.to(code)
        return code

    def extra_repr(self) -> str:
        """The arguments."""
        return f"codecs={self.codecs}, probability={self.probability}"


def _alike(steps: dict[str, Tensor] | None, others: dict[str, Tensor] | None) -> bool:
    if steps is None or others is None:
        return steps is others
    return steps.keys() == others.keys() and all(torch.equal(steps[name], others[name]) for name in steps)


def _on(codec: Codec, code: Tensor) -> Codec:
    """A codec whose tensors are where the code is, if it can be there."""
    return codec.to(code.device) if isinstance(codec, nn.Module) and codec.on_device else codec
