"""Notebooks of the documentation run, and the outputs that they keep are those of their code."""

import re
from pathlib import Path

import nbformat
import pytest

from benchmarks import notebooks

BOOKS = notebooks.BOOKS


def code_cells(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def texts(cell):
    """What a cell prints, without figures, which may differ from machine to machine."""
    told = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    return re.sub(r"[\d.]+", "#", told).split()


def test_there_are_five():
    assert [path.stem[0] for path in BOOKS] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_they_keep_outputs_of_all_cells_in_their_order(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell.outputs]
    assert not any(output.output_type == "error" for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert path.stat().st_size < 500_000


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_pages_that_are_linked_exist(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((\.\./[^)#\s]+)", text):
        assert (Path(path).parent / target).is_file(), f"{path} links {target}"


@pytest.mark.slow
@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")
def test_they_run(path, tmp_path, monkeypatch):
    monkeypatch.delenv("LOSSY_DATA", raising=False)
    kept, made = (code_cells(book) for book in (nbformat.read(path, as_version=4), notebooks.run(path, tmp_path)))
    assert [texts(cell) for cell in kept] == [texts(cell) for cell in made], "run python -m benchmarks.notebooks"
