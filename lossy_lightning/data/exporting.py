"""The codes of a data set as files for other programs."""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from lightning.fabric.utilities.exceptions import MisconfigurationException
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor

from lossy_lightning import __version__
from lossy_lightning.core import InputError, RandomKey
from lossy_lightning.data._file_source import FileSource
from lossy_lightning.data._splits import Split
from lossy_lightning.data._writing import write_codes
from lossy_lightning.data.cache import EncodedDataset
from lossy_lightning.data.encoded import EncodedDataModule
from lossy_lightning.data.source import Source

_ENDINGS = {"safetensors": ".safetensors", "numpy": ".npz"}


def export_codes(
    data: EncodedDataModule, output: str | Path, file_format: Literal["safetensors", "numpy"] = "safetensors"
) -> list[Path]:
    """Write each split's codes and targets as one file: ``train``, ``val`` and ``test``, as far as there are.

    A file holds ``codes`` ``(N, C, *grid)`` in the smallest integer dtype and ``targets`` ``(N,)`` int64. If codes
    differ in size, ``codes`` has the values of one after the other, ``(values,)``, and ``grid_sizes``
    ``(N, axes)`` says how many there are: ``C`` times the product of a row. Its metadata, JSON texts, are ``codec``
    (the fingerprint), ``spec`` (fields and grid), ``classes``, and ``lossy_lightning``, the version.

    Args:
        data: The data set; its codec is fitted and its splits are encoded first. Crops that are random in training are
            drawn once.
        output: Folder of the files; it is made if it does not exist.
        file_format: ``"safetensors"``, or ``"numpy"`` for ``.npz``, whose metadata are the array ``metadata``.

    Returns:
        Paths of the files.

    Raises:
        ValueError: If the format is none of these, or targets are no integers.
        MisconfigurationException: If the data module changes codes in training; they have no fixed values.

    Example:
        >>> import tempfile
        >>> from safetensors.numpy import load_file
        >>> from lossy_lightning.codecs import VQ
        >>> from lossy_lightning.data import Digits
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     files = export_codes(Digits(VQ((2, 2), 16), cache_dir=folder), folder)
        ...     codes = load_file(files[-1])["codes"]
        >>> [file.name for file in files], codes.shape, codes.dtype
        (['train.safetensors', 'val.safetensors', 'test.safetensors'], (359, 1, 4, 4), dtype('uint8'))
    """
    if file_format not in _ENDINGS:
        raise InputError(f"the format is one of {', '.join(_ENDINGS)}; got {file_format!r}")
    if data.transform is not None or data.augmentation is not None:
        raise MisconfigurationException("a transform or augmentation draws codes anew each epoch; export without it")
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    data.prepare_data()
    splits: tuple[Split, ...] = ("train", "val", "test")
    sources = {split: data._dataset(split) for split in splits}
    return [
        _export(data, source, output, f"{split}{_ENDINGS[file_format]}")
        for split, source in sources.items()
        if source is not None
    ]


def _export(data: EncodedDataModule, source: Source, output: Path, name: str) -> Path:
    """Write one split under a temporary name, then rename it."""
    with tempfile.TemporaryDirectory(dir=output, prefix=f".{name}.") as folder:
        if not isinstance(source, EncodedDataset):  # files are their own cache
            examples = _OneByOne(source) if isinstance(source, FileSource) else source
            write_codes(Path(folder, "codes"), examples, _as_it_is, data.spec, data.num_workers)
            if source.log is not None:
                source.log.tell()
            source = EncodedDataset(Path(folder, "codes"))
        arrays, told = _arrays(source), _metadata(data)
        written = Path(folder, name)
        if written.suffix == ".npz":
            np.savez(written, allow_pickle=False, metadata=np.array(json.dumps(told)), **arrays)
        else:
            save_file(arrays, written, {key: json.dumps(value) for key, value in told.items()})
        os.chmod(written, 0o644)  # of a temporary folder, nobody else could read it
        os.replace(written, output / name)
    return output / name


class _OneByOne(Source):
    """Examples of files, not put together to batches."""

    def __init__(self, source: FileSource) -> None:
        self.source = source
        self.log = source.log

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        return self.source[index]

    def fetch(self, indices: Sequence[int], key: RandomKey) -> Any:
        """Pairs of code and target, and bad files."""
        return [self.source.load(index, key) for index in indices]


def _as_it_is(codes: Tensor, targets: Any) -> Tensor:
    return codes


def _arrays(dataset: EncodedDataset) -> dict[str, NDArray[Any]]:
    if not isinstance(dataset.targets, Tensor):
        raise InputError(f"only integer targets are exported; the first is {dataset.targets[0]!r}")
    arrays = {"codes": dataset.codes.numpy(), "targets": dataset.targets.numpy()}
    return arrays if dataset.grid_sizes is None else arrays | {"grid_sizes": dataset.grid_sizes.numpy()}


def _metadata(data: EncodedDataModule) -> dict[str, Any]:
    spec = data.spec
    return {
        "lossy_lightning": __version__,
        "codec": data.codecs.fingerprint(),
        "spec": {"grid": spec.grid, "fields": [field._asdict() for field in spec.fields]},
        "classes": data.classes,
    }
