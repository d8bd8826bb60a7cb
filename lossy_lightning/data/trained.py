"""What a checkpoint says of the data that its network was trained on, without these data."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from lossy_lightning.core import Codec, CodeSpec, InputError, SignalForm, TrainableCodec, data_state
from lossy_lightning.data._remaking import remade


class TrainedOn(NamedTuple):
    """What a network was trained on.

    Attributes:
        codec: What signals go through.
        spec: Of the codes.
        form: What files' signals are brought to.
        classes: Their names, if they are known.
    """

    codec: Codec
    spec: CodeSpec
    form: SignalForm
    classes: tuple[str, ...] | None


def trained_on(checkpoint_path: str | Path) -> TrainedOn:
    """What the network of a checkpoint was trained on; the data need not be there.

    Args:
        checkpoint_path: Of the checkpoint; it is read weights-only.

    Raises:
        ValueError: If it does not say so, because it was trained on other data than an `EncodedDataModule`, by an
            earlier version, or with a codec that a checkpoint cannot hold.

    Example:
        >>> import tempfile
        >>> from functools import partial
        >>> from lightning.pytorch import Trainer
        >>> from lossy_lightning import codecs, data, nn, tasks
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     digits = data.Digits(codecs.VQ((2, 2), levels=16), cache_dir=folder)
        ...     stem = partial(nn.LookupLinear, out_features=8)
        ...     task = tasks.ClassificationTask(digits.spec, digits.num_classes, stem, nn.MLP)
        ...     trainer = Trainer(max_steps=1, default_root_dir=folder, logger=False, enable_progress_bar=False)
        ...     trainer.fit(task, digits)
        ...     trainer.save_checkpoint(f"{folder}/last.ckpt")
        ...     found = trained_on(f"{folder}/last.ckpt")
        >>> found.codec, found.form.shape, found.classes[:3]
        (VQ(block=(2, 2), levels=16, seed=0), (1, 8, 8), ('0', '1', '2'))
    """
    state = data_state(torch.load(checkpoint_path, map_location="cpu", weights_only=True))
    if state is None or "signal_form" not in state:
        of = "other data than an EncodedDataModule" if state is None else "data of an earlier version"
        raise InputError(f"{checkpoint_path} was trained on {of}, and does not say what codec made its codes")
    codec = _codec(checkpoint_path, state)
    classes = None if state["classes"] is None else tuple(state["classes"])
    form = SignalForm(**state["signal_form"])
    return TrainedOn(codec, state["spec"], form._replace(shape=tuple(form.shape)), classes)


def _codec(checkpoint_path: str | Path, state: dict[str, Any]) -> Codec:
    given = state["arguments"]
    if "codec" not in given["kept"]:
        raise InputError(
            f"{checkpoint_path} cannot hold the codec that {state['name']} was given, such as one that is made of "
            "modules; use the network in Python, with its codec"
        )
    codec: Codec = remade({"kept": {"codec": given["kept"]["codec"]}, "left_out": []}, {})["codec"]
    if isinstance(codec, TrainableCodec):
        codec.load_state_dict(state["codecs"]["codec"]["state"])
    return codec
