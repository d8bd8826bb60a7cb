"""The networks that the package ships."""

from pathlib import Path

from lossy_lightning.core import InputError
from lossy_lightning.weights.card import Card
from lossy_lightning.weights.trained import Trained, read_trained

FOLDER = Path(__file__).parent
"""Where their files lie, a file of weights and a card each."""


def list() -> tuple[str, ...]:
    """Names of the networks, in the order of the alphabet.

    Example:
        >>> "digits-vq-lookup" in list()
        True
    """
    return tuple(sorted(path.stem for path in FOLDER.glob("*.safetensors")))


def load(name: str, model_dir: str | Path | None = None) -> Trained:
    """A network that the package ships, with its codec and its card.

    Args:
        name: One of `list`.
        model_dir: Of networks on Lyra's tokens: the folder of Google's models, which are not shipped; None:
            ``$LOSSY_DATA/lyra_v2``.

    Raises:
        ValueError: If there is no such network, or its codec has no models.
        FileNotFoundError: If Lyra's models are not there.

    Example:
        >>> task, codec, classes, card = load("digits-vq-lookup")
        >>> codec
        VQ(block=(2, 2), levels=16, seed=2)
        >>> task.training, classes[:3]
        (False, ('0', '1', '2'))
    """
    if name not in list():
        raise InputError(f"there is no network {name!r}; there are {', '.join(list())}")
    card = Card.from_json((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return read_trained(FOLDER / f"{name}.safetensors", card, model_dir)
