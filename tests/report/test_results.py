import json
import re
import shutil
from pathlib import Path

import pytest

from lossy_lightning.report import State, group_runs, read_results, read_runs, table_rows, write_results
from lossy_lightning.report.table import column, usual_columns

from .runs import write_run


def config(seed: int, fold: int = 0, gray: bool = False) -> dict[str, object]:
    stem = {"class_path": "Bits", "init_args": {"gray": gray, "table": None}}
    data = {"class_path": "Clips", "init_args": {"test_fold": fold, "cache_dir": f"/tmp/{fold}", "root": "/mnt/clips"}}
    return {"seed_everything": seed, "model": {"stem": stem}, "data": data}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three folds of one experiment, one of another, a broken and a foreign run."""
    command = "speech.py --folder /mnt/runs/speech --cache=/var/cache/x 'Lyra 9.2 kbit/s'"
    environment = {"state": "finished", "command": command, "versions": {"torch": "2.11.0"}, "host": "box"}
    for fold, accuracy in enumerate([0.5, 0.75, 1 / 3]):
        place = tmp_path / "runs" / f"fold{fold}" / "bits" / "version_0"
        write_run(place, {"test_acc": [0.1, accuracy], "macs/1bit": [2**26]}, config(0, fold), **environment)
    write_run(
        tmp_path / "runs" / "fold0" / "bits" / "version_1", {"test_acc": [0.25]}, config(0, 0, True), **environment
    )
    write_run(tmp_path / "runs" / "cut", {"test_acc": [0.5]}, state="failed", error="OSError: /home/me/x is gone")
    write_run(tmp_path / "runs" / "theirs", {"test_acc": [0.5]})
    return tmp_path / "runs"


def test_a_file_of_results_gives_the_table_of_its_folder(folder: Path, tmp_path: Path) -> None:
    runs = read_runs([folder])
    write_results(tmp_path / "r.json", runs)
    kept = read_results(tmp_path / "r.json")
    names = ["test_acc", "macs/1bit"]
    rows = table_rows(group_runs(runs), names)
    assert table_rows(group_runs(kept), names) == rows
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["bits (gray=False)"] == ["52.78 ± 20.97", "67 108 864", "0, 1, 2", "3 finished"]
    assert by_name["bits (gray=True)"] == ["25.00", "", "0", "finished"]
    assert [run.reason for run in kept if run.state is State.BROKEN] == ["failed: OSError: x is gone"]


def test_what_encoding_costs_is_shown_if_a_codec_was_learned(tmp_path: Path) -> None:
    def columns() -> list[str]:
        return usual_columns(group_runs(read_runs([tmp_path])))

    fixed = {"test_acc": [0.5], "macs/32bit": [8], "macs/encoding/32bit": [0], "macs/sensor_to_label/32bit": [8]}
    write_run(tmp_path / "pixels", fixed, state="finished")
    assert columns() == ["test_acc", "macs/32bit"]
    learned = fixed | {"macs/encoding/32bit": [5], "macs/sensor_to_label/32bit": [13]}
    write_run(tmp_path / "codes", learned, state="finished")
    assert columns() == ["test_acc", "macs/32bit", "macs/encoding/32bit", "macs/sensor_to_label/32bit"]
    assert column("macs/sensor_to_label/32bit").title == "32-bit MACs, sensor to label"


def test_what_a_packed_network_costs_is_shown(tmp_path: Path) -> None:
    figures = {"test_acc": [0.5], "deploy/latency_ms": [0.0125], "deploy/file_bytes": [2048]}
    write_run(tmp_path / "packed", figures, state="finished")
    (group,) = group_runs(read_runs([tmp_path]))
    names = usual_columns([group])
    assert names == ["test_acc", "deploy/latency_ms", "deploy/file_bytes"]
    assert [column(name).title for name in names[1:]] == ["packed, ms", "packed file, KiB"]
    assert table_rows([group], names)[1][2:4] == ["0.0125", "2.00"]


def test_it_names_no_machine_and_no_folder_of_it(folder: Path, tmp_path: Path) -> None:
    write_results(tmp_path / "r.json", read_runs([folder]))
    text = (tmp_path / "r.json").read_text()
    assert "box" not in text
    assert "Lyra 9.2 kbit/s" in text
    assert "--folder speech --cache=x" in text
    assert not re.search(r"[\"' =]/\w", text)
    assert str(tmp_path) not in text


def test_a_file_may_stand_beside_folders(folder: Path, tmp_path: Path) -> None:
    write_results(tmp_path / "r.json", read_runs([folder / "fold0", folder / "fold1"]))
    groups = group_runs(read_runs([tmp_path / "r.json", folder / "fold2"]))
    assert [len(group.runs) for group in groups] == [3, 1]


def test_a_run_and_its_copies_are_one(tmp_path: Path) -> None:
    for seed in (0, 1):
        origin = {"state": "finished", "started": "2026-01-01T00:00:00+00:00", "command": f"fit --folder /mnt/{seed}"}
        write_run(tmp_path / "runs" / "mine" / f"version_{seed}", {"test_acc": [seed / 2]}, config(seed), **origin)
    shutil.copytree(tmp_path / "runs", tmp_path / "copy")
    write_results(tmp_path / "r.json", read_runs([tmp_path / "runs"]))
    runs = read_runs([tmp_path / "r.json", tmp_path / "runs", tmp_path / "copy", tmp_path / "r.json"])
    assert [run.seed for run in runs] == [0, 1]
    assert all(run.curves for run in runs)
    (group,) = group_runs(runs)
    assert len(group.runs) == 2
    assert group.summary("test_acc") == pytest.approx((0.25, 0.125**0.5, 2))


def test_paths_may_be_text_but_come_as_a_list(folder: Path, tmp_path: Path) -> None:
    write_results(str(tmp_path / "r.json"), read_runs([str(folder)]))
    assert len(read_results(str(tmp_path / "r.json"))) == len(read_runs([str(folder)])) == 6
    with pytest.raises(TypeError, match=r"sources is the path 'runs'; give a list, such as \['runs'\]"):
        read_runs("runs")


@pytest.mark.parametrize("content", ["", "{", "{}x", "[1]", '[{"name": "a"}]', '{"name": 1}'])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"other.json holds no results of runs .* --results FILE"):
        read_runs([path])


def test_each_run_is_one_line(folder: Path, tmp_path: Path) -> None:
    write_results(tmp_path / "r.json", read_runs([folder]))
    lines = (tmp_path / "r.json").read_text().splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("[", "]", 8)
    assert json.loads(lines[1].rstrip(","))["name"] == "cut"
