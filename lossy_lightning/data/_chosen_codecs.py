"""Which codec an example goes through, by its split and its class."""

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lossy_lightning.core import Codec, CodeSpec, InputError, TrainableCodec
from lossy_lightning.data._splits import Split

AnyCodec = TypeVar("AnyCodec", bound=Codec)


class ChosenCodecs(Generic[AnyCodec]):
    """The codecs of a datamodule: one for all examples, or others for training, for test, or for some classes.

    Args:
        codec: Of each example that has no other.
        train: Of the training and validation examples, for all classes or by class.
        test: Of the test examples, likewise.

    Attributes:
        codec: As given.
        named: All of them, by the names that a datamodule's user knows them by.

    Raises:
        ValueError: If one is no codec, or classes are not named by their numbers.

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> codecs = ChosenCodecs(JPEG(75), test={1: JPEG(25)})
        >>> [codecs.of(split, label).quality for split, label in (("train", 1), ("test", 1), ("test", 0))]
        [75, 25, 75]
    """

    def __init__(
        self,
        codec: AnyCodec,
        train: AnyCodec | dict[int, AnyCodec] | None = None,
        test: AnyCodec | dict[int, AnyCodec] | None = None,
    ) -> None:
        self.codec = codec
        self._train = train
        self._test = test
        self.named = {"codec": codec, **_named("train_codecs", train), **_named("test_codecs", test)}
        for name, each in self.named.items():
            if not isinstance(each, Codec):
                raise InputError(f"{name} must be a Codec, such as PCM() or VQ((4, 4), 16); got {each!r}")
        for name, chosen in (("train_codecs", train), ("test_codecs", test)):
            if foreign := [label for label in chosen if type(label) is not int] if isinstance(chosen, dict) else []:
                got = ", ".join(map(repr, foreign))
                raise InputError(f"{name} are named by numbers of classes, such as {{0: JPEG(50)}}; got {got}")

    def of(self, split: Split, label: Any) -> AnyCodec:
        """Codec of an example of a class."""
        chosen = self._chosen(split)
        if isinstance(chosen, dict):
            return chosen.get(label, self.codec)
        return self.codec if chosen is None else chosen

    def encoder(self, split: Split, spec: CodeSpec) -> Callable[[Tensor, Any], Tensor]:
        """What makes codes of that spec of a batch of signals and their targets; workers get it by itself."""
        return partial(self._encode, split, spec)

    @property
    def training(self) -> tuple[AnyCodec, ...]:
        """Those that training and validation examples go through."""
        return self._all(self._train)

    @property
    def test(self) -> tuple[AnyCodec, ...]:
        """Those that test examples go through."""
        return self._all(self._test)

    def _all(self, chosen: AnyCodec | dict[int, AnyCodec] | None) -> tuple[AnyCodec, ...]:
        if isinstance(chosen, dict):
            return self.codec, *chosen.values()
        return (self.codec if chosen is None else chosen,)

    def _chosen(self, split: Split) -> AnyCodec | dict[int, AnyCodec] | None:
        return self._test if split == "test" else self._train

    def _encode(self, split: Split, spec: CodeSpec, signals: Tensor, targets: Any) -> Tensor:
        if not isinstance(self._chosen(split), dict):
            return _on(self.of(split, None), signals.device).encode(signals)
        labels = torch.as_tensor(targets, device=signals.device)
        shape = tuple(size or 0 for size in spec.shape)
        codes = torch.empty((len(signals), *shape), dtype=spec.dtype, device=signals.device)
        for label in set(labels.tolist()):
            where = labels == label
            codes[where] = _on(self.of(split, label), signals.device).encode(signals[where]).to(codes.dtype)
        return codes

    @property
    def on_device(self) -> bool:
        """Whether all of them encode on the device of their signals."""
        return all(codec.on_device for codec in self.named.values())

    @property
    def trainable(self) -> dict[str, TrainableCodec]:
        """Those that can be fitted."""
        return {name: codec for name, codec in self.named.items() if isinstance(codec, TrainableCodec)}

    def fingerprint(self) -> str:
        """What tells these codecs from others."""
        return ", ".join(f"{name}={codec.fingerprint()}" for name, codec in self.named.items())

    def check_classes(self, num_classes: int) -> None:
        """Check that codecs are chosen for classes that there are.

        Raises:
            MisconfigurationException: If one is not.
        """
        for name, chosen in (("train_codecs", self._train), ("test_codecs", self._test)):
            unknown = [label for label in chosen if not 0 <= label < num_classes] if isinstance(chosen, dict) else []
            if unknown:
                raise MisconfigurationException(
                    f"{name} names the classes {unknown}; this data has the classes 0 to {num_classes - 1}"
                )

    def check_sample_rate(self, sample_rate: int | None, owner: str) -> None:
        """Check that each codec takes sounds of a rate in Hz, if both are stated.

        Raises:
            MisconfigurationException: If one expects another; names it and the data's ``owner``.
        """
        for name, codec in self.named.items():
            if None not in (codec.sample_rate, sample_rate) and codec.sample_rate != sample_rate:
                raise MisconfigurationException(
                    f"{name} = {codec} expects sounds of {codec.sample_rate} Hz, but {owner} has {sample_rate} Hz; "
                    f"set sample_rate={codec.sample_rate} to have them resampled"
                )

    def state_dict(self) -> dict[str, Any]:
        """Texts and fingerprints, and the tensors of those that can be fitted."""
        return {
            name: {
                "codec": _text(codec),
                "fingerprint": codec.fingerprint(),
                "state": codec.state_dict() if isinstance(codec, TrainableCodec) else {},
            }
            for name, codec in self.named.items()
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the fitted codecs of a checkpoint; those of test examples may be others.

        Raises:
            MisconfigurationException: If training examples went through other codecs.
        """
        self._check(state_dict)
        saved = _of_training(state_dict)
        for label, codec in _of_training(self.named).items():
            if isinstance(codec, TrainableCodec):
                codec.load_state_dict(saved[label]["state"])
        for name, codec in self.trainable.items():
            same = name in state_dict and state_dict[name]["codec"] == _text(codec)
            if same and all(codec is not other for other in _of_training(self.named).values()):
                codec.load_state_dict(state_dict[name]["state"])

    def check_fitted(self, state_dict: dict[str, Any]) -> None:
        """Check that training examples go through the codecs of a checkpoint, down to their fitted tensors.

        Raises:
            MisconfigurationException: If they do not.
        """
        self._check(state_dict)
        saved = _of_training(state_dict)
        for label, codec in _of_training(self.named).items():
            mine, theirs = codec.fingerprint(), saved[label]["fingerprint"]
            if mine != theirs:
                raise MisconfigurationException(
                    f"this network was trained on codes of {label} = {theirs}, but this datamodule has {mine}, fitted "
                    "anew: its codes mean something else; pass ckpt_path to the trainer, which takes over the fitted "
                    "codec, or make the datamodule by its load_from_checkpoint"
                )

    def _check(self, state_dict: dict[str, Any]) -> None:
        own = {label: _text(codec) for label, codec in _of_training(self.named).items()}
        saved = {label: each["codec"] for label, each in _of_training(state_dict).items()}
        for label in sorted(own.keys() | saved.keys()):
            mine, theirs = own.get(label, "none"), saved.get(label, "none")
            if mine != theirs:
                raise MisconfigurationException(
                    f"the checkpoint was trained on codes of {label} = {theirs}, but this datamodule has {mine}; use "
                    "the codec of the checkpoint, and test_codecs for test examples that go through another"
                )


def _of_training(named: dict[str, Any]) -> dict[str, Any]:
    """Of what is kept by the names of codecs, that of training: for all classes as ``codec``, for some by their own."""
    for_all = named.get("train_codecs", named["codec"])
    return {"codec": for_all} | {name: each for name, each in named.items() if name.startswith("train_codecs[")}


def _text(codec: Codec) -> str:
    """What tells a codec from others, whatever it was fitted to."""
    return repr(codec) if isinstance(codec, TrainableCodec) else codec.fingerprint()


def _named(name: str, chosen: AnyCodec | dict[int, AnyCodec] | None) -> dict[str, AnyCodec]:
    if isinstance(chosen, dict):
        return {f"{name}[{label}]": codec for label, codec in chosen.items()}
    return {} if chosen is None else {name: chosen}


def _on(codec: Codec, device: torch.device) -> Codec:
    return codec.to(device) if isinstance(codec, nn.Module) else codec
