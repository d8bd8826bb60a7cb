"""Code in the documentation runs.

The blocks of a page run in order, in one namespace and an empty folder. A comment ``<!-- setup … -->`` before a block
is run too, and is not shown. A block after ``<!-- not run: reason -->`` is only compiled, and so is one after
``<!-- needs package -->`` if that is not installed. A setup may put the blocks above it into a module, by
`module_so_far(name)`, so that other processes find their classes.
"""

import importlib
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import front_page
from benchmarks.tables import with_tables
from lossy_lightning.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^<!-- setup\n(?P<setup>.*?)\n-->$|"
    r"^(?P<skip><!-- (?:not run: .*?|needs (?P<package>\w+)) -->\n)?```python\n(?P<code>.*?)\n```$",
    re.DOTALL | re.MULTILINE,
)
PASTED = ("deploy", "exchange")
"""Pages whose blocks import all that they use."""

ROOMS = ("attacks", "augmentation", "callbacks", "codecs", "core", "data", "functional", "nn", "profiling", "tasks")


def example(name: str) -> ModuleType:
    """A script of examples/ as a module, by a name that processes find, too."""
    return importlib.import_module(name)


def photos(folder: str) -> None:
    """A few JPEG files, in the folders of their splits and classes."""
    for i in range(8):
        path = Path(folder, ("train", "test")[i % 2], f"class{i // 4}", f"{i}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (256, 256, 3), dtype=np.uint8)).save(path)


def namespace() -> dict[str, Any]:
    """What a reader of a page has imported: our public names, torch, and Lightning's."""
    names: dict[str, Any] = {"__name__": "__page__", "torch": torch, "nn": torch.nn, "main": main, "Path": Path}
    names |= {name: getattr(pl, name) for name in ("Trainer", "LightningModule", "seed_everything")}
    names |= {"example": example, "photos": photos, "EXAMPLES": ROOT / "examples"}
    for room in ROOMS:
        module = importlib.import_module(f"lossy_lightning.{room}")
        names |= {name: getattr(module, name) for name in module.__all__}
    return names


@pytest.mark.parametrize("page", [p for p in PAGES if "```python" in p.read_text()], ids=lambda page: page.stem)
@pytest.mark.filterwarnings("ignore")
def test_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOSSY_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "argv", ["lossy-lightning"])
    monkeypatch.syspath_prepend(ROOT / "examples")
    monkeypatch.syspath_prepend(tmp_path)
    shown: list[str] = []

    def module_so_far(name: str) -> ModuleType:
        Path(tmp_path, f"{name}.py").write_text("\n\n".join(shown))
        return importlib.import_module(name)

    names = {} if page.stem in PASTED else namespace() | {"module_so_far": module_so_far}
    text = page.read_text()
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("code" if match["code"] else "setup"))
        code = compile("\n" * line + (match["code"] or match["setup"]), str(page), "exec")
        if not match["skip"] or (match["package"] and find_spec(match["package"])):
            exec(code, names)
        shown += [match["code"]] if match["code"] else []
    assert len(re.findall("^```python$", text, re.MULTILINE)) == sum(bool(m["code"]) for m in BLOCK.finditer(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_are_linked_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+?)(?:#[^)]*)?\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), f"{page} links {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_headings_that_are_linked_exist(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#\s]*)#([^)\s]*)\)", page.read_text()):
        if "://" not in target:
            linked = page.parent / target if target else page
            assert linked.suffix != ".md" or heading in headings(linked), f"{page} links #{heading} of {linked.name}"


def headings(page: Path) -> set[str]:
    """Names of a page's headings, as GitHub and the site make them; the site links the first three levels."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    titles = re.findall(r"^#{1,3} (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tables_of_runs_are_what_their_runs_say(page: Path) -> None:
    text = page.read_text()
    assert with_tables(text, page.parent) == text, f"run python benchmarks/tables.py {page}"


def test_readme_shows_what_results_say() -> None:
    assert front_page.table() in (ROOT / "README.md").read_text(), "run python -m benchmarks.front_page"


def test_tables_have_both_marks() -> None:
    for page in PAGES:
        text = page.read_text()
        assert len(re.findall("^<!-- table ", text, re.MULTILINE)) == text.count("\n<!-- end of table -->\n"), page
