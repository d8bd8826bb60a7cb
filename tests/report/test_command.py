"""The command, on runs that the command line itself made, and the page."""

import csv
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lossy_lightning.cli import main

from .runs import events, write_run

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits_vq_bnn.yaml"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of the digits, one that is cut, one that runs, and one of somebody else."""
    folder = tmp_path_factory.mktemp("runs")
    short = {
        "trainer.max_epochs": 2,
        "trainer.limit_train_batches": 3,
        "trainer.limit_val_batches": 2,
        "trainer.log_every_n_steps": 1,
        "trainer.accelerator": "cpu",
        "trainer.enable_progress_bar": "false",
        "trainer.logger.init_args.save_dir": folder,
        "data.init_args.cache_dir": folder / "cache",
    }
    given = [item for name, value in short.items() for item in (f"--{name}", str(value))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lossy-lightning"])  # Lightning warns of pytest's own
        patch.delenv("PL_GLOBAL_SEED", raising=False)
        for seed in ("0", "1"):
            main(["fit", "--config", str(EXAMPLE), *given, "--seed_everything", seed])
    write_run(folder / "theirs", {"test_acc": [0.5], "attack/acc_clean": [1], "attack/acc_step1": [0.5]})
    write_run(folder / "cut", {"test_acc": [0.5]}, state="finished")
    write_run(folder / "still", {"val_acc": [0.5]}, state="running", started="now")
    events(folder / "cut").write_bytes(events(folder / "cut").read_bytes()[:-1])
    return folder


def results(runs: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text())[0] for path in sorted(runs.rglob("results.json"))]


def test_the_table_shows_all_runs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["report", str(runs)])
    printed = capsys.readouterr().out
    rows = {line.split("  ")[0]: line for line in printed.splitlines()}
    assert rows["digits_vq_bnn"].endswith("0, 1  2 finished")
    assert rows["theirs"].endswith("foreign")
    assert rows["cut"].endswith("broken")
    assert rows["still"].endswith("running")
    assert "ends within record" in printed


def test_what_a_run_of_ours_holds(runs: Path) -> None:
    main(["report", str(runs / "digits_vq_bnn")])
    first, second = results(runs / "digits_vq_bnn")
    assert (first["state"], first["seed"], second["seed"]) == ("finished", 0, 1)
    names = {"test_acc", "macs/1bit", "macs/32bit", "memory/weights_bytes", "memory/features_bytes"}
    names |= {f"rate/{size}_bits{unit}" for size in ("container", "entropy") for unit in ("", "_per_sample")}
    names |= {"speed/epoch_seconds", "speed/examples_per_second", "speed/data_wait"}
    figures = first["figures"]
    assert isinstance(figures, dict)
    assert names <= figures.keys()
    assert figures["rate/container_bits"] == 64
    assert figures["rate/container_bits_per_sample"] == 1
    assert 0 < figures["rate/entropy_bits"] < 64


def test_csv_and_markdown(runs: Path, tmp_path: Path) -> None:
    main(["report", str(runs), "--csv", str(tmp_path / "t.csv"), "--markdown", str(tmp_path / "t.md")])
    with (tmp_path / "t.csv").open() as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    accuracies = [run["figures"]["test_acc"] for run in results(runs / "digits_vq_bnn")]  # type: ignore[index]
    mean = sum(accuracies) / 2
    ours = rows["digits_vq_bnn"]
    assert float(ours["test_acc:mean"]) == pytest.approx(mean)
    assert float(ours["test_acc:deviation"]) == pytest.approx(abs(accuracies[0] - accuracies[1]) / 2**0.5)
    assert (ours["test_acc:number"], ours["macs/1bit:mean"], rows["still"]["test_acc:mean"]) == ("2", "4736.0", "")
    markdown = (tmp_path / "t.md").read_text()
    assert f"| digits_vq_bnn | {100 * mean:.2f}" in markdown
    assert "torch 2." in markdown


class Page(HTMLParser):
    """Tags that are left open, and everything that names another place."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.places: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.places += [value or "" for name, value in attrs if name in ("href", "xlink:href", "src")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.places += [value or "" for name, value in attrs if name in ("href", "xlink:href", "src")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(runs: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    main(["report", str(runs), "--html", str(tmp_path / "r.html"), "--svg", str(tmp_path / "svg")])
    text = (tmp_path / "r.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert not re.search(r"https?://|@import|<script|<link|url\((?!#)", text)
    assert all(place.startswith("#") for place in page.places)
    names = re.findall(r'\sid="([^"]+)"', text)
    assert {place[1:] for place in page.places} <= set(names)
    titles = re.findall(r"<figcaption><b>(.*?)</b>", text)
    costs = ("MACs", "container bits", "zeroth-order entropy", "feature memory", "stored size", "epoch time")
    assert titles[:6] == [f"Accuracy against {cost}" for cost in costs]
    assert titles[-1] == "Accuracy under attack"
    listed = [text.count(f'class="state {state}"') for state in ("finished", "foreign", "running", "broken")]
    assert listed == [2, 2, 2, 2]  # each run, and with the name of a row what has not finished
    assert (tmp_path / "svg" / "macs.svg").read_text().startswith("<svg xmlns=")


def test_names_are_escaped(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_run(tmp_path / "<b>&", {"test_acc": [0.5]})
    main(["report", str(tmp_path), "--html", str(tmp_path / "r.html")])
    assert "&lt;b&gt;&amp;" in (tmp_path / "r.html").read_text()


def test_a_file_of_results_is_kept_and_read_in_place_of_the_runs(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["report", str(runs / "digits_vq_bnn"), "--results", str(tmp_path / "ours.json")])
    printed = capsys.readouterr().out
    main(["report", str(tmp_path / "ours.json")])
    assert capsys.readouterr().out == printed
    (tmp_path / "digits_vq_bnn").mkdir()  # of the same name, and nothing else
    monkeypatch.chdir(tmp_path)
    main(["report", "ours.json"])
    assert not list(tmp_path.rglob("results.json"))


def test_columns_are_chosen(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    csv_file = tmp_path / "t.csv"
    main(["report", str(runs / "digits_vq_bnn"), "--csv", str(csv_file), "--columns", "macs/1bit", "val_loss"])
    assert capsys.readouterr().out.split("\n")[0].split("  ")[0] == "run"
    assert csv_file.read_text().startswith("run,macs/1bit:mean,macs/1bit:deviation,macs/1bit:number,val_loss:mean,")


def test_mistakes_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["report", str(tmp_path / "none")])
    assert "is no folder; give folders of logged runs" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["report"])
    assert "the following arguments are required: RUN_DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("theirs --metric nope", "no run logged nope; logged are test_acc"),
        ("theirs --html theirs", "--html is theirs, a folder; give the name of a file"),
        ("theirs --results theirs", "--results is theirs, a folder; give the name of a file"),
        ("theirs --svg d.md", "--svg is d.md, a file; give the name of a folder"),
    ],
)
def test_what_cannot_be_done_is_refused_before_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(Path("theirs"), {"test_acc": [0.5]})
    Path("d.md").write_text("# Prose\n")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as stop:
        main(["report", *arguments.split()])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert (sorted(tmp_path.rglob("*")), Path("d.md").read_text()) == (before, "# Prose\n")


def test_repeated_runs_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for version in range(3):
        place = tmp_path / "mine" / f"version_{version}"
        write_run(place, {"test_acc": [version / 4]}, {"seed_everything": version // 2, "levels": 16}, state="finished")
    main(["report", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "repeated: mine: 1 of 3 runs repeat a seed and fold; these count once, with the newest figures" in printed
    assert "37.50 ± 17.68" in printed  # of 0.25 and 0.5


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, {"test_acc": [0.5]})

    def missing(*args: object) -> None:
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")

    monkeypatch.setattr("lossy_lightning.report.page.pictures", missing)
    with pytest.raises(SystemExit):
        main(["report", str(tmp_path), "--html", str(tmp_path / "r.html")])
    assert "pip install 'lossy-lightning[report]'" in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()


def test_help_names_the_subcommand(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["lossy-lightning"])
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "lossy-lightning report" in capsys.readouterr().out
