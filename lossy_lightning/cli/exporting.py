"""``lossy-lightning export``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from lossy_lightning.cli._checks import check_content
from lossy_lightning.cli._parser import Parser
from lossy_lightning.core import InputError, MissingFileError
from lossy_lightning.core.files import check_file_name
from lossy_lightning.data import trained_on
from lossy_lightning.deploy import attach_codec, export_onnx, export_qonnx, pack
from lossy_lightning.tasks import ClassificationTask


def export(arguments: Sequence[str]) -> None:
    """Write the network of a checkpoint as a file for other programs.

    Raises:
        InputError: If the checkpoint is none of a classifier that the command line trained, or the network has no form
            in that format.
    """
    parser = Parser(
        prog="lossy-lightning export",
        description="Write the trained network of a checkpoint, from codes to logits, as a file for other programs.",
        allow_abbrev=False,
    )
    parser.add_argument("--checkpoint", metavar="FILE", required=True, help="of lossy-lightning fit")
    parser.add_argument("--format", type=Literal["packed", "onnx", "qonnx"], required=True, help="of the file")
    parser.add_argument("--output", metavar="FILE", required=True, help="to write")
    options = parser.parse_args(list(arguments))
    check_file_name(options.output)
    checkpoint, output = Path(options.checkpoint), Path(options.output)
    task = trained_task(checkpoint)
    if options.format == "qonnx":
        export_qonnx(task, output)
    elif options.format == "onnx":
        data = trained_on(checkpoint)
        export_onnx(task, output, classes=data.classes, codec=data.codec, form=data.form)
    else:
        if None in task.spec.shape:
            raise InputError(
                f"{options.checkpoint} reads codes of any size, and packed networks are for one: train on crops, or "
                "use --format onnx"
            )
        data = trained_on(checkpoint)
        network = attach_codec(pack(task, task.spec, data.classes), data.codec, data.form)
        output.parent.mkdir(parents=True, exist_ok=True)
        network.save(output)
    print(
        f"{options.output}: {type(task.stem).__name__} and {type(task.backbone).__name__}, {task.num_classes} classes"
    )


def trained_task(path: Path, option: str = "--checkpoint") -> ClassificationTask:
    """The task of a checkpoint, ready for use.

    Args:
        path: Of the checkpoint.
        option: That names it.

    Raises:
        InputError: If it is none of a classifier that the command line trained.
    """
    if not path.is_file():
        raise MissingFileError(f"{option} is {path}, but there is no such file")
    held = check_content(option, path).get("hyper_parameters", {})
    if not {"stem", "backbone"} <= held.keys():
        raise InputError(
            f"{option} is {path}, which does not say what stem and backbone its network has, so lossy-lightning fit "
            "did not train it: name a checkpoint that it wrote; in Python, lossy_lightning.deploy takes any network"
        )
    try:
        task = ClassificationTask.load_from_checkpoint(path, map_location="cpu", weights_only=True)
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{option} is {path}, which is none of a ClassificationTask that lossy-lightning fit trained: "
            f"{' '.join(str(error).split())[:200]}"
        ) from error
    return task.eval()
