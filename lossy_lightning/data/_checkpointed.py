"""What a datamodule puts into checkpoints, and takes from them."""

from pathlib import Path
from typing import Any, Self

from lightning.pytorch import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn

from lossy_lightning.core import Codec, CodeSpec, SignalForm
from lossy_lightning.data._chosen_codecs import ChosenCodecs
from lossy_lightning.data._progress import Progress
from lossy_lightning.data._remaking import given_arguments, remade
from lossy_lightning.data._splits import Split
from lossy_lightning.data._state import check_classes, check_fields, read_state, state_of
from lossy_lightning.data.source import Source


class CheckpointedDataModule(LightningDataModule):
    """The part of an `EncodedDataModule` that has to do with checkpoints."""

    codecs: ChosenCodecs[Codec]
    classes: tuple[str, ...] | None = None
    signal_shape: tuple[int | None, ...] = ()
    sample_rate: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self._given = given_arguments()
        self._progress = Progress()
        self._datasets: dict[Split, Source | None] = {}

    @property
    def codec(self) -> Codec:
        """What the signals go through, if no other is chosen."""
        return self.codecs.codec

    @property
    def spec(self) -> CodeSpec:
        """Spec of the codes."""
        raise NotImplementedError

    @property
    def signal_form(self) -> SignalForm:
        """What files' signals are brought to before they are encoded in test."""
        return SignalForm(self.signal_shape, sample_rate=self.sample_rate)

    def state_dict(self) -> dict[str, Any]:
        """What the data are: codecs with tensors, classes, spec, sample rate and version; and where a training is."""
        return {**state_of(self, self._given), "progress": self._progress.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a checkpoint's fitted codecs, whose codes are made anew, and go on where its training was.

        Raises:
            MisconfigurationException: If the checkpoint was made with another codec, or on other classes.
        """
        self._take_over(state_dict)
        if self.trainer is None or self.trainer.state.fn == TrainerFn.FITTING:
            self._progress.load_state_dict(state_dict["progress"])

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | Path, **changes: Any) -> Self:  # type: ignore[override]
        """The datamodule that a checkpoint was trained on: its arguments, and its codecs with their fitted tensors.

        Args:
            checkpoint_path: Of the checkpoint; it is read weights-only.
            changes: Arguments that are to be others, such as ``root``. What a checkpoint cannot hold, such as
                functions, modules, and codecs that are made of some, must be among them; ``transform=None`` will do
                for a test.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is no checkpoint of a datamodule of this class, or an argument is missing.
            MisconfigurationException: If the changes make the codec or the classes others.
        """
        state = read_state(checkpoint_path, cls.__qualname__)
        data = cls(**remade(state["arguments"], changes))
        data._take_over(state)
        return data

    def check_origin(self, state_dict: dict[str, Any], codecs: bool = True) -> None:
        """Check that a network that was trained on data of that state reads these rightly, with codecs or without.

        Raises:
            MisconfigurationException: If classes, sample rate, codecs or fields are others; names both.
        """
        check_classes(self, state_dict)
        if codecs:
            self.codecs.check_fitted(state_dict["codecs"])
            check_fields(self, state_dict)

    def _take_over(self, state_dict: dict[str, Any]) -> None:
        check_classes(self, state_dict)
        self.codecs.load_state_dict(state_dict["codecs"])
        check_fields(self, state_dict)
        self._datasets.clear()
