"""Files that nobody reads half written."""

import os
import tempfile
from pathlib import Path

from lossy_lightning.core.errors import InputError


def check_file_name(path: str | Path) -> None:
    """Check that a file can be written there, before much is computed.

    Raises:
        ValueError: If the path is a folder, or one of its folders is a file.
    """
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder; give the name of a file")
    (file, *_) = [*(parent for parent in Path(path).parents if parent.exists() and not parent.is_dir()), None]
    if file is not None:
        raise InputError(f"{path} cannot be written, for {file} is a file and no folder")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name, then rename it, so that nobody reads half of it.

    Args:
        path: The file; its folder is made if it does not exist.
        content: All of it; a text is written as UTF-8.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(data)
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
