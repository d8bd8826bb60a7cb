"""What the weights of a task were trained on."""

from typing import Any

from lightning.pytorch import LightningModule

from lossy_lightning.tasks._wiring import reset_metrics


class Origin:
    """What the weights of a task were trained on, and how far; nothing at first.

    Attributes:
        state: What the datamodule says of itself in a checkpoint, without fitted tensors; None if it is not known.
        loaded: Whether a checkpoint gave the weights.
        epoch: The last epoch that they were trained in, counted from 0; None if they were not trained.
    """

    def __init__(self) -> None:
        self.state: dict[str, Any] | None = None
        self.loaded = False
        self.epoch: int | None = None

    def load(self, checkpoint: dict[str, Any], data: Any) -> None:
        """Take over what a checkpoint says; a datamodule, if there is one, takes over its fitted codecs.

        Raises:
            MisconfigurationException: If the checkpoint was made with other codecs, or on other classes.
        """
        states = [state for state in checkpoint.values() if isinstance(state, dict) and "codecs" in state]
        if states and data is not None:
            data.load_state_dict(states[0])  # before the weights, whose shapes would say less
        self.state = _without_tensors(states[0]) if states else None
        self.loaded = True
        self.epoch = epoch_of(checkpoint)

    def check(self, data: Any) -> None:
        """Check that a datamodule gives what the weights were trained on.

        Raises:
            MisconfigurationException: If it does not.
        """
        if self.state is not None and data is not None:
            data.check_origin(self.state, codecs=self.loaded)

    def check_classes(self, data: Any) -> None:
        """As `check`, apart from codecs, which may not be fitted yet."""
        if self.state is not None and data is not None:
            data.check_origin(self.state, codecs=False)

    def train_on(self, data: Any) -> None:
        """The weights are now trained on a datamodule."""
        if not self.loaded:
            self.state = None if data is None else _without_tensors(data.state_dict())


def data_of(task: LightningModule) -> Any:
    """The trainer's datamodule, if it is an `EncodedDataModule`; else None."""
    # `task.trainer` would raise without one.
    data = getattr(task._trainer, "datamodule", None)
    return data if hasattr(data, "check_origin") else None


def epoch_of(checkpoint: dict[str, Any]) -> int | None:
    """The last epoch that the weights of a checkpoint were trained in, counted from 0 as in the names of files."""
    try:
        started: int = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["ready"]
    except (KeyError, TypeError):
        return None
    return started - 1


class OriginTask(LightningModule):
    """A task that remembers what its weights were trained on, and holds it against the data that they meet.

    Attributes:
        origin: What it remembers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.origin = Origin()

    def setup(self, stage: str) -> None:
        """Check the classes of the datamodule, unless a checkpoint is loaded next.

        Raises:
            MisconfigurationException: If they are not those of training.
        """
        if self.trainer.ckpt_path is None and (stage != "fit" or self.origin.loaded):
            self.origin.check_classes(data_of(self))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember what the checkpoint was trained on; the datamodule takes over its fitted codecs.

        Raises:
            MisconfigurationException: If the datamodule has another codec, or other classes.
        """
        self.origin.load(checkpoint, data_of(self))

    def on_fit_start(self) -> None:
        """Start with fresh metrics.

        Raises:
            MisconfigurationException: If a checkpoint gave weights that were trained on other data.
        """
        if self.origin.loaded:
            self.origin.check(data_of(self))
        reset_metrics(self)

    def on_train_start(self) -> None:
        """Remember what the weights are trained on."""
        self.origin.train_on(data_of(self))

    def on_train_epoch_start(self) -> None:
        """Remember how far."""
        self.origin.epoch = self.current_epoch

    def on_validation_start(self) -> None:
        """Check, after a fit, that the codes of another datamodule mean what those of training did.

        Raises:
            MisconfigurationException: If classes or codecs are others.
        """
        if not self.trainer.training and not self.trainer.sanity_checking:
            self.origin.check(data_of(self))

    def on_test_start(self) -> None:
        """As `on_validation_start`."""
        self.origin.check(data_of(self))

    def on_predict_start(self) -> None:
        """As `on_validation_start`."""
        self.origin.check(data_of(self))


def _without_tensors(state: dict[str, Any]) -> dict[str, Any]:
    codecs = {name: {key: codec[key] for key in ("codec", "fingerprint")} for name, codec in state["codecs"].items()}
    return state | {"codecs": codecs}
