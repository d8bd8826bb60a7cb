"""Networks in ONNX files, with the codec and the classes that the file tells."""

import base64
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lossy_lightning import __version__
from lossy_lightning.core import Codec, InputError, MissingFileError, MissingPackageError, SignalForm
from lossy_lightning.core.described import make_codec
from lossy_lightning.deploy.codecs import describe_beside, make_form

_KEY = "lossy_lightning"
_LAYOUT = 1  # of what the metadata tell; a newer one is told apart


class OnnxNetwork:
    """A network that `export_onnx` wrote, run by onnxruntime.

    Args:
        path: Of the file.

    Attributes:
        shape: Of a code, ``(C, *grid)``; None if a size varies.
        classes: Names of the classes; None if the file tells none.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is none that onnxruntime runs, `export_onnx` did not write it, or it has another number of
            class names than of logits.
        ImportError: If onnxruntime is not installed.

    Example:
        >>> import tempfile
        >>> from lossy_lightning import weights
        >>> from lossy_lightning.deploy import export_onnx
        >>> trained = weights.load("digits-vq-lookup")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export_onnx(trained.task, f"{folder}/digits.onnx", classes=trained.classes)
        ...     network = OnnxNetwork(f"{folder}/digits.onnx")
        >>> logits = network.predict(np.zeros((2, 1, 4, 4), np.uint8))
        >>> network.classes[:3], logits.shape
        (('0', '1', '2'), (2, 10))
    """

    def __init__(self, path: str | Path) -> None:
        if importlib.util.find_spec("onnxruntime") is None:
            raise MissingPackageError("this needs onnxruntime: pip install 'lossy-lightning[onnx]'")
        if not Path(path).is_file():
            raise MissingFileError(f"there is no network {path}; write one with lossy-lightning export")
        import onnxruntime  # not everybody has it

        try:
            self._session = onnxruntime.InferenceSession(path)
        except Exception as error:  # each mistake has a class of its own
            if b"qonnx.custom_op" in Path(path).read_bytes():
                raise InputError(
                    f"{path} is a QONNX file, whose operations onnxruntime has not: export the network with --format "
                    "onnx or packed, too, or run the file with qonnx"
                ) from error
            raise InputError(f"onnxruntime runs no file {path}: {' '.join(str(error).split())[:200]}") from error
        told = self._session.get_modelmeta().custom_metadata_map.get(_KEY)
        if told is None:
            raise InputError(f"{path} is of another program than lossy-lightning export, or of an earlier version")
        self._told: dict[str, Any] = json.loads(told)
        if self._told["layout"] != _LAYOUT:
            raise InputError(f"{path} was written by lossy_lightning {self._told['version']}; this is {__version__}")
        (code,) = self._session.get_inputs()
        self._dtype = np.dtype(code.type.removeprefix("tensor(").removesuffix(")"))
        self.shape = tuple(size if isinstance(size, int) else None for size in code.shape[1:])
        self.classes = None if self._told["classes"] is None else tuple(self._told["classes"])
        (logits,) = self._session.get_outputs()
        if self.classes is not None and len(self.classes) != logits.shape[-1]:
            raise InputError(
                f"{path} names {len(self.classes)} classes, but its network makes {logits.shape[-1]} logits"
            )

    def predict(self, codes: ArrayLike) -> NDArray[np.float32]:
        """Logits ``(N, classes)`` of codes ``(N, C, *grid)``.

        Raises:
            ValueError: If codes are no integers, or of another shape.
        """
        given = np.asarray(codes)
        fits = given.ndim == 1 + len(self.shape) and all(
            want in (None, size) for size, want in zip(given.shape[1:], self.shape, strict=True)
        )
        if given.dtype.kind not in "iu" or not fits:
            raise InputError(
                f"this network reads integer codes (N, {', '.join(map(str, self.shape))}); got {given.dtype} "
                f"{given.shape}: encode signals with its codec first"
            )
        try:
            (logits,) = self._session.run(["logits"], {"code": given.astype(self._dtype)})
        except Exception as error:  # each mistake has a class of its own
            raise InputError(
                f"onnxruntime cannot run this network on codes {given.shape}: {' '.join(str(error).split())[:200]}"
            ) from error
        made: NDArray[np.float32] = logits
        return made

    def codec(self) -> Codec:
        """The codec that makes the network's codes.

        Raises:
            ValueError: If the file tells none, or one that is not of this package.
        """
        if self._told["codec"] is None:
            raise InputError("the network's file does not say which codec made its codes; export it with the codec")
        tensors = {
            name: np.frombuffer(base64.b64decode(one["data"]), one["dtype"]).reshape(one["shape"])
            for name, one in self._told["tensors"].items()
        }
        return make_codec(self._told["codec"], tensors)

    def form(self) -> SignalForm:
        """What signals the codec was given.

        Raises:
            ValueError: If the file does not tell.
        """
        return make_form(None if self._told["codec"] is None else self._told["codec"].get("signal"))


def put_labels(model: Any, classes: Sequence[str] | None, codec: Codec | None, form: SignalForm | None) -> None:
    """Put classes, and the codec with the form of its signals, into the metadata of a file's `ModelProto`."""
    told, tensors = (None, {}) if codec is None or form is None else describe_beside(codec, form)
    held = {
        name: {
            "dtype": value.dtype.str,
            "shape": value.shape,
            "data": base64.b64encode(np.ascontiguousarray(value).tobytes()).decode(),
        }
        for name, value in tensors.items()
    }
    names = None if classes is None else list(classes)
    text = {"layout": _LAYOUT, "version": __version__, "classes": names, "codec": told, "tensors": held}
    entry = model.metadata_props.add()
    entry.key, entry.value = _KEY, json.dumps(text, separators=(",", ":"))
