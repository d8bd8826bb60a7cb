"""Reading of whole files, fast if they are many and small."""

import os

# Windows translates line ends and stops at Ctrl-Z unless it is told that a file is binary.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)


def read_file(path: str | os.PathLike[str], max_bytes: int | None = None) -> bytes:
    """The bytes of a file, in half the time that a file object takes.

    Args:
        path: Of the file.
        max_bytes: That are read from its beginning, about as many; None for all.

    Returns:
        Its bytes.

    Raises:
        OSError: If there is no such file, or it cannot be read.

    Example:
        >>> read_file(os.devnull)
        b''
    """
    descriptor = os.open(path, _FLAGS)
    try:
        size = os.fstat(descriptor).st_size
        data = os.read(descriptor, size if max_bytes is None else min(size, max_bytes))
        if len(data) == size > 0 or (max_bytes is not None and data):
            return data
        parts = [data]  # a system may give less at once than was asked for, and some files do not tell their size
        while part := os.read(descriptor, 2**20):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)
