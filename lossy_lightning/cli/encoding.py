"""``lossy-lightning encode``."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from lossy_lightning.cli._checks import without_pages
from lossy_lightning.cli._names import short_names
from lossy_lightning.cli._parser import Parser
from lossy_lightning.core import Codec, FileCodec, InputError, MissingFileError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.data import AudioFolder, CodedFolder, EncodedDataModule, ImageFolder, export_codes, write_shards
from lossy_lightning.data.audio import SOUND_EXTENSIONS
from lossy_lightning.data.folders import IMAGE_EXTENSIONS


def encode(arguments: Sequence[str]) -> None:
    """Write the codes of a data set, a file or shards a split.

    Raises:
        InputError: If the arguments do not say which data and which codec.
    """
    parser = Parser(
        prog="lossy-lightning encode",
        description="Write the codes of a data set, a file or shards a split: of folders of files, or any data module.",
        allow_abbrev=False,
    )
    parser.add_argument("--input", metavar="FOLDER", help="<class>/... or {train,val,test}/<class>/... of files")
    parser.add_argument("--codec", type=Codec | None, default=None, help="that encodes or reads the files of --input")
    parser.add_argument("--data", type=EncodedDataModule | None, default=None, help="instead of both, with all options")
    parser.add_argument("--output", metavar="FOLDER|URL", required=True, help="of the files")
    formats = Literal["safetensors", "numpy", "shards"]
    parser.add_argument(
        "--format", type=formats, default="safetensors", help="of the files; shards for a folder or URL"
    )
    parser.add_argument("--workers", metavar="N", type=int | None, default=None, help="processes that read and encode")
    with short_names():
        given = parser.parse_args(list(arguments))
        options = without_pages(partial(parser.instantiate_classes, given))
    if (options.data is None) == (options.input is None) or (options.input is None) != (options.codec is None):
        raise InputError("encode takes --input FOLDER and --codec CODEC, or --data DATA_MODULE")
    data = options.data or _folder(options.codec, Path(options.input))
    if options.workers is not None:
        check_integers(0, workers=options.workers)
        data.num_workers = options.workers
    if options.format == "shards":
        print(*write_shards(data, options.output), sep="\n")
    else:
        print(*export_codes(data, options.output, options.format), sep="\n")


def _folder(codec: Codec, root: Path) -> EncodedDataModule:
    """The data module of a folder's files: those that the codec reads as they are, else images, else sounds."""
    if not root.is_dir():
        raise MissingFileError(f"--input is {root}, but there is no such folder")
    endings = {path.suffix.lower() for path in root.rglob("*") if path.is_file()}
    if isinstance(codec, FileCodec) and endings.intersection(codec.extensions):
        return CodedFolder(codec, root)
    if endings.intersection(IMAGE_EXTENSIONS):
        return ImageFolder(codec, root)
    if not endings.intersection(SOUND_EXTENSIONS):
        raise InputError(f"{root} holds no file of an image or a sound")
    if codec.sample_rate is None:
        raise InputError(f"{type(codec).__name__} takes any sampling rate; give --data AudioFolder with a sample_rate")
    return AudioFolder(codec, root, codec.sample_rate)
