"""A copy of JPEG files that no longer differ in how they were encoded."""

import io
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from lossy_lightning.core import InputError
from lossy_lightning.core.files import write_atomically

QUALITY = 75


def write_even_copy(
    files: Sequence[Path | str], root: Path | str, output: Path | str, quality: int = QUALITY, progress: bool = False
) -> Counter[str]:
    """Decode JPEG files and encode them again, all alike, by libjpeg through Pillow.

    All have the quantization tables of one quality, 4:2:0 (grey files stay grey), one scan, the standard's Huffman
    tables, no restart intervals and no metadata; the orientation that EXIF told is carried out first. Sizes stay, and
    so do fainter traces of the first encoding in the pixels.

    Args:
        files: Their paths, below ``root``.
        root: Folder that the copy's paths are taken from.
        output: Folder of the copy, which must not be there yet, or be empty.
        quality: Of libjpeg, 1 to 100.
        progress: Whether to show how far the work has come, on standard error.

    Returns:
        Reason -> number of files that were left out.

    Raises:
        ValueError: If the output lies within the root or holds files, a file lies elsewhere, or the quality is another.
    """
    root, output = Path(root).resolve(), Path(output).resolve()
    if not 1 <= quality <= 100:
        raise InputError(f"quality is 1 to 100; got {quality}")
    if output == root or root in output.parents or (output.exists() and (output.is_file() or any(output.iterdir()))):
        raise InputError(f"the copy goes to a new or empty folder outside of {root}; got {output}")
    left_out: Counter[str] = Counter()
    for file in tqdm(files, desc="encoding", unit="file", disable=not progress):
        path = Path(os.path.abspath(file))
        if root not in path.parents and root not in path.resolve().parents:
            raise InputError(f"{file} does not lie below {root}")
        try:
            data = _encoded(path.read_bytes(), quality)
        except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises on files that it cannot decode
            left_out[str(error).split(str(path))[0].strip() or type(error).__name__] += 1
            continue
        inside = path.relative_to(root) if root in path.parents else path.resolve().relative_to(root)
        write_atomically(output / inside.with_suffix(".jpg"), data)
    return left_out


def _encoded(data: bytes, quality: int) -> bytes:
    from PIL import Image, ImageOps

    if not data.startswith(b"\xff\xd8"):
        raise InputError("it is no JPEG file")
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
        plain = upright if upright.mode in ("L", "RGB") else upright.convert("RGB")
        file = io.BytesIO()
        plain.info = {}  # Pillow would keep a comment, a profile, and the like
        plain.save(file, "JPEG", quality=quality, subsampling="4:2:0")
        return file.getvalue()
