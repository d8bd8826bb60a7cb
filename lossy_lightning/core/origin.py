"""What the weights of a network were trained on."""

from typing import Any


class Origin:
    """What the weights of a module were trained on, and how far; nothing at first.

    Attributes:
        state: What the datamodule says of itself in a checkpoint, without fitted tensors; None if it is not known.
        loaded: Whether a checkpoint gave the weights.
        epoch: The last epoch that they were trained in, counted from 0; None if they were not trained.

    Example:
        >>> origin = Origin()
        >>> origin.state, origin.loaded, origin.epoch
        (None, False, None)
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
        state = data_state(checkpoint)
        if state is not None and data is not None:
            data.load_state_dict(state)  # before the weights, whose shapes would say less
        self.state = None if state is None else _without_tensors(state)
        self.loaded = True
        self.epoch = last_epoch(checkpoint)

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


def last_epoch(checkpoint: dict[str, Any]) -> int | None:
    """The last epoch that a checkpoint's weights were trained in, counted from 0 as in names of files, if known."""
    try:
        started: int = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["ready"]
    except (KeyError, TypeError):
        return None
    return started - 1 if started else None


def data_state(checkpoint: dict[str, Any]) -> dict[str, Any] | None:
    """What a checkpoint keeps of the datamodule that it was trained on; None if that was none that says what it is."""
    states = (state for state in checkpoint.values() if isinstance(state, dict) and "codecs" in state)
    return next(states, None)


def _without_tensors(state: dict[str, Any]) -> dict[str, Any]:
    codecs = {name: {key: codec[key] for key in ("codec", "fingerprint")} for name, codec in state["codecs"].items()}
    return state | {"codecs": codecs}
