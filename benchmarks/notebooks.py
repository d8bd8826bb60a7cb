"""Runs the notebooks of the documentation anew, and keeps their outputs in them.

    python -m benchmarks.notebooks [docs/notebooks/NAME.ipynb ...]

Each runs in an empty folder. The site shows the outputs as they are kept, so it is built without running anything.
"""

import os
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from benchmarks.harness import ROOT, parser

BOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LIMIT = 600  # seconds of a cell, on a busy machine


def run(path: Path, folder: Path) -> nbformat.NotebookNode:
    """A notebook with its outputs; one that fails raises.

    Args:
        path: Of the notebook.
        folder: That it runs in.
    """
    book = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(book, timeout=LIMIT, kernel_name="python3", record_timing=False, resources=place).execute()
    for cell in book.cells:
        if cell.cell_type == "code":  # warnings of libraries are none of ours
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book.metadata = nbformat.from_dict({"kernelspec": kernel})
    return book


def main() -> None:
    options = parser(__doc__)
    options.add_argument("books", nargs="*", type=Path, default=BOOKS, help="default: all")
    for path in options.parse_args().books:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            os.environ["LOSSY_CACHE"] = folder
            book = run(path, Path(folder))
        nbformat.write(book, path)
        print(f"{path.name}: {time.perf_counter() - start:.0f} s, {path.stat().st_size / 1024:.0f} KiB", flush=True)


if __name__ == "__main__":
    main()
