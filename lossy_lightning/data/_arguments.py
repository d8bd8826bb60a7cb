"""Types of the arguments that every view has, for views that have others too."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from torch import Tensor, nn

from lossy_lightning.core import Codec

if TYPE_CHECKING:
    from typing import Unpack as Unpack
else:
    # jsonargparse would take names and types from `typing.Unpack`, and lose the defaults. Without it, it follows the
    # call of `EncodedDataModule.__init__`, where names, types, defaults and their description stand.
    Unpack = type


class CodeArguments(TypedDict, total=False):
    """What `EncodedDataModule` takes besides codec, root and transform."""

    cache_dir: str | Path | None
    batch_size: int
    num_workers: int
    val_fraction: float
    seed: int
    augmentation: nn.Module | None
    train_codecs: Codec | dict[int, Codec] | None
    test_codecs: Codec | dict[int, Codec] | None


class SignalArguments(CodeArguments, total=False):
    """What `EncodedDataModule` takes besides codec and root."""

    transform: Callable[[Tensor], Tensor] | nn.Module | None
