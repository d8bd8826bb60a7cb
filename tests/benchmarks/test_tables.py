import sys
from pathlib import Path

import pytest

from benchmarks.tables import main, update_document, update_table
from lossy_lightning.report import read_runs, write_results
from tests.report.runs import write_run

DOCUMENT = """# Numbers

Between `<!-- table NAME -->` and `<!-- end of table -->` stands a table.

<!-- table first
runs: results.json
columns: [test_acc, macs/1bit]
rows:
  codes (gray=True): codes, Gray
  pixels: pixels
-->
| typed |
<!-- end of table -->

<!-- table second -->
| a script's |
<!-- end of table -->
after
"""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    environment = {"state": "finished", "versions": {"torch": "2.11.0"}, "devices": "1 x CPU"}
    for gray in (True, False):
        for seed in (0, 1):
            config = {"seed_everything": seed, "stem": {"gray": gray}}
            scalars = {"test_acc": [0.5 + seed / 10], "macs/1bit": [2048.0]}
            write_run(tmp_path / "codes" / f"version_{seed + 2 * gray}", scalars, config, **environment)
    write_run(tmp_path / "pixels", {"test_acc": [0.75]}, {"seed_everything": 0}, **environment)
    write_results(tmp_path / "results.json", read_runs([tmp_path / "codes", tmp_path / "pixels"]))
    path = tmp_path / "numbers.md"
    path.write_text(DOCUMENT)
    return path


def test_a_table_says_what_its_runs_say(document: Path) -> None:
    update_document(document)
    text = document.read_text()
    head, table = text.split("-->\n\n", 1)
    assert head + "-->" in DOCUMENT
    assert table.startswith(
        "| run | test accuracy, % | 1-bit MACs | seeds |\n|---|---|---|---|\n"
        "| codes, Gray | 55.00 ± 7.07 | 2 048 | 0, 1 |\n"
        "| pixels | 75.00 |  | 0 |\n\n"
        "Mean ± standard deviation over the seeds. torch 2.11.0; hardware not known.\n\n<!-- end of table -->\n"
    )
    assert "| typed |" not in text
    assert text.endswith("<!-- table second -->\n| a script's |\n<!-- end of table -->\nafter\n")
    update_document(document)
    assert document.read_text() == text


def test_a_script_puts_its_own_table_in_place(document: Path) -> None:
    update_table(document, "second", "| new |")
    rest = DOCUMENT.replace("| a script's |", "\n| new |\n")
    assert document.read_text() == rest
    with pytest.raises(ValueError, match=r"has no lines '<!-- table other -->' and .* add them once"):
        update_table(document, "other", "")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pixels: pixels", "sounds: sounds", r"numbers.md: table first: there are no runs of \['sounds'\]; rows are"),
        ("macs/1bit", "macs/2bit", "table first: no run logged macs/2bit; logged are macs/1bit, test_acc"),
        ("runs: results.json", "runs: none.json", "none.json is no folder"),
        (
            "runs: results.json",
            "sources: results.json",
            r"table first: its definition names \['sources'\]; known are runs",
        ),
        ("runs: results.json", "1: results.json", r"table first: its definition names \[1\]; known are runs"),
        ("runs: results.json", "runs results.json", "table first: its definition is no YAML: "),
        ("runs: results.json\n", "", "table first: runs is None; give the path"),
        ("runs: results.json", "runs: [results.json]", r"table first: runs is \['results.json'\]; give the path"),
        ("[test_acc, macs/1bit]", "test_acc", "table first: columns is 'test_acc'; give a list"),
        ("[test_acc, macs/1bit]", "[test_acc, 1]", r"table first: columns is \['test_acc', 1\]; give a list"),
        ("rows:\n  codes (gray=True): codes, Gray\n  pixels: pixels", "rows: pixels", "rows is 'pixels'; give lines"),
        ("rows:\n  codes (gray=True): codes, Gray\n  pixels: pixels", "rows: [pixels]", r"rows is \['pixels'\]; give"),
        ("pixels: pixels", "pixels:", "table first: rows is .*'pixels': None}; give lines"),
        ("pixels: pixels", "pixels: ''", "table first: rows is .*'pixels': ''}; give lines"),
        ("pixels: pixels", "pixels: 8", "table first: rows is .*'pixels': 8}; give lines"),
        (
            "<!-- table second",
            "<!-- table second\nresults.json",
            "table second: its definition is 'results.json'; give",
        ),
        (
            "| typed |\n<!-- end of table -->\n",
            "",
            "starts with '<!-- table first' has no lines .* add what is missing",
        ),
        ("pixels: pixels\n-->", "pixels: pixels", "starts with '<!-- table first' has no lines .* add what is missing"),
        ("| a script's |\n<!-- end of table -->\n", "", "starts with '<!-- table second -->' has no lines"),
        (DOCUMENT, "# Prose", "numbers.md: no table names its runs; write lines"),
        (DOCUMENT, "<!-- table a -->\n<!-- end of table -->\n", "numbers.md: no table names its runs; write lines"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(document: Path, old: str, new: str, message: str) -> None:
    document.write_text(DOCUMENT.replace(old, new))
    with pytest.raises(ValueError, match=message):
        update_document(document)
    assert document.read_text() == DOCUMENT.replace(old, new)


def test_a_table_without_an_end_reaches_no_other(document: Path) -> None:
    text = DOCUMENT.replace("| typed |\n<!-- end of table -->\n", "prose\n")
    document.write_text(text)
    with pytest.raises(ValueError, match=r"numbers.md: the table that starts with '<!-- table first' has no lines"):
        update_table(document, "second", "| new |")
    assert document.read_text() == text


def test_paths_may_be_text(document: Path) -> None:
    update_table(str(document), "second", "| new |")
    update_document(str(document))
    text = document.read_text()
    assert "| new |" in text
    assert "| pixels | 75.00 |" in text


def test_the_script_writes_documents_and_tells_mistakes(
    document: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tables.py", str(document)])
    main()
    assert "| pixels | 75.00 |" in document.read_text()
    document.write_text("# Prose\n")
    for path, message in ((document, "no table names its runs; write lines"), (document.parent, "Is a directory")):
        monkeypatch.setattr(sys, "argv", ["tables.py", str(path)])
        with pytest.raises(SystemExit):
            main()
        assert message in capsys.readouterr().err
