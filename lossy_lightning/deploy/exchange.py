"""Networks as files that other tools run: ONNX and QONNX."""

import importlib.util
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lossy_lightning.core import Codec, CodeSpec, InputError, MissingPackageError, SignalForm
from lossy_lightning.core.arguments import check_module
from lossy_lightning.core.files import check_file_name, write_atomically
from lossy_lightning.deploy._held import check_classes, check_codec
from lossy_lightning.deploy._quantizers import Quantizers, returning_plain_tensors
from lossy_lightning.deploy._stand_ins import exact_norm, stand_ins
from lossy_lightning.deploy._translations import tile_repeated, translations
from lossy_lightning.deploy.onnx_network import put_labels
from lossy_lightning.functional import undisturbed
from lossy_lightning.profiling import is_quantizer

_OPSET = 20
#: Of an axis whose size may vary, while a network is traced.
_TRACED = 32


def export_onnx(
    model: nn.Module,
    path: str | Path,
    spec: CodeSpec | None = None,
    classes: Sequence[str] | None = None,
    codec: Codec | None = None,
    form: SignalForm | None = None,
) -> None:
    """Write a network from integer codes to logits as an ONNX file, for batches of any size.

    The file has one input, ``code``, ``(N, C, *grid)`` of the spec's dtype, and one output, ``logits``. Axes of the
    grid that may vary vary in the file, too; all codes of a batch are then of one size. Signs and sums of signs are
    those of torch to the last bit, in any engine that adds whole numbers exactly.

    Args:
        model: A task, or any module that makes logits of codes; it stays as it is.
        path: The file. It is written under a temporary name first.
        spec: Of the codes; None: that of the task.
        classes: Names of the classes, which `OnnxNetwork` reads from the file's metadata.
        codec: That makes the codes, likewise; with ``form``.
        form: What signals the codec gets, ``data.signal_form`` of a datamodule.

    Raises:
        ValueError: If the model has no spec and none is given, it has operations that ONNX has not, class names are not
            one for each logit, the codec makes other codes or is none that a file can hold, or the path is a folder.
        ImportError: If `onnx` or `onnxscript` are not installed.

    Example:
        >>> import tempfile
        >>> from lossy_lightning.nn import MLP, Bits
        >>> from lossy_lightning.tasks import ClassificationTask
        >>> task = ClassificationTask(CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False), 10, stem=Bits, backbone=MLP)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export_onnx(task, Path(folder, "network.onnx"))
        ...     [file.name for file in Path(folder).iterdir()]
        ['network.onnx']
    """
    spec = _spec_of(model, spec)
    check_file_name(path)
    code = _any_codes(spec, 3)
    if codec is not None or form is not None:
        check_codec(codec, form, spec)
    varying = [axis for axis, size in enumerate(spec.grid, 2) if size is None]
    sizes = {0: torch.export.Dim("batch", min=1)} | dict.fromkeys(varying, torch.export.Dim.DYNAMIC)
    quantizers = Quantizers(named=False)
    quantized = any(is_quantizer(module) for module in model.modules())
    with undisturbed(model, code):
        names = check_classes(classes, quantizers.watch(model, code).shape[-1])
        returning_plain_tensors(model)
        with stand_ins(model, quantizers.stand_in), stand_ins(model, exact_norm if quantized else _no_stand_in):
            made = _exported(model, code, sizes)
    put_labels(made, names, codec, form)
    write_atomically(Path(path), made.SerializeToString())


def export_qonnx(model: nn.Module, path: str | Path, spec: CodeSpec | None = None) -> None:
    """Write a network from integer codes to logits as a QONNX file, which says how many bits each number has.

    Weights stay real numbers behind the operation that quantizes them, `BipolarQuant` at 1 bit and `Quant` at more, as
    in the files that Brevitas writes; so tools that read those read these, such as `qonnx`, whose analysis of costs
    gives the same multiply-accumulates as `count_macs`. The file is for one example, ``(1, C, *grid)``.

    Args:
        model: A task, or any module that makes logits of codes, with quantizers of Brevitas or others that tell the
            same; it stays as it is.
        path: The file. It is written under a temporary name first.
        spec: Of the codes; None: that of the task.

    Raises:
        ValueError: If the model has no spec and none is given, codes vary in size, or a quantizer does what QONNX has
            no operation for, in which case the message names the layer. If the path is a folder.
        ImportError: If `onnx` or `onnxscript` are not installed.

    Source:
        Pappalardo et al., QONNX: representing arbitrary-precision quantized neural networks, arXiv:2206.07527, 2022.
    """
    spec = _spec_of(model, spec)
    if None in spec.grid:
        raise InputError(f"a QONNX file is for codes of one size; got shape {spec.shape}: build the network for one")
    check_file_name(path)
    code, quantizers = _any_codes(spec, 1), Quantizers(named=True)
    with undisturbed(model, code):
        quantizers.watch(model, code)
        returning_plain_tensors(model)
        with stand_ins(model, quantizers.stand_in):
            made = _exported(model, code, {})
    tile_repeated(made)
    write_atomically(Path(path), made.SerializeToString())


def _exported(model: nn.Module, code: Tensor, sizes: dict[int, Any]) -> Any:
    """The file's content, a `ModelProto`."""
    _check_installed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        try:
            traced = torch.export.export(model, (code,), dynamic_shapes=(sizes,), strict=False)
            program = torch.onnx.export(
                traced,
                dynamo=True,
                verbose=False,
                opset_version=_OPSET,
                input_names=["code"],
                output_names=["logits"],
                custom_translation_table=translations(),
            )
        except Exception as error:  # the network ran before: what fails is to trace or to translate it
            raise InputError(f"{type(model).__name__} has no form in ONNX: {_reason(error)}") from error
    assert program is not None
    return program.model_proto


def _reason(error: BaseException) -> str:
    """What the exporter says of what it failed at, of all that it prints."""
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    lacking = re.search(r"op='([^']+)'", str(causes[-1])) if len(causes) > 1 else None
    if lacking:
        return f"there is no operation for torch's {lacking[1]}"
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _no_stand_in(name: str, module: nn.Module) -> None:
    """Of networks without signs, engines may merge batch norms into the layers before."""


def _check_installed() -> None:
    for package in ("onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            raise MissingPackageError(f"this needs {package}: pip install 'lossy-lightning[onnx]'")


def _spec_of(model: nn.Module, spec: CodeSpec | None) -> CodeSpec:
    check_module("model", model)
    own = spec if spec is not None else getattr(model, "spec", None)  # models may be anybody's
    if not isinstance(own, CodeSpec):
        raise InputError(f"a network is exported for the CodeSpec of its codes; got {own!r}: pass spec=datamodule.spec")
    return own


def _any_codes(spec: CodeSpec, batch: int) -> Tensor:
    """Codes ``(batch, C, *grid)``, drawn from all values."""
    generator = torch.Generator().manual_seed(0)
    code = torch.empty(batch, spec.shape[0] or 0, *(size or _TRACED for size in spec.grid), dtype=spec.dtype)
    for channel, (low, high) in enumerate(zip(spec.low, spec.high, strict=True)):
        code[:, channel].random_(low, high + 1, generator=generator)
    return code
