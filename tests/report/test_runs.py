import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossy_lightning.report import State, find_runs, read_run
from lossy_lightning.report._logs import read_logs

from .runs import events, write_run


def test_a_finished_run(tmp_path: Path) -> None:
    config = {"seed_everything": 3}
    folder = write_run(tmp_path / "mine" / "version_0", {"val_acc": [0.25, 0.5]}, config, state="finished", seed=3)
    run = read_run(folder)
    assert (run.state, run.reason, run.name, run.seed) == (State.FINISHED, "", "mine", 3)
    assert run.curves == {"val_acc": [(0, 0.25), (1, 0.5)]}
    assert run.figures == {"val_acc": 0.5}


def test_the_fold_is_found_where_data_name_it(tmp_path: Path) -> None:
    config = {"seed_everything": 3, "data": {"class_path": "Mine", "init_args": {"codec": {"a": 1}, "test_fold": 0}}}
    run = read_run(write_run(tmp_path, {"val_acc": [0.5]}, config))
    assert (run.seed, run.fold) == (3, 0)


def test_speed_is_the_median_without_the_first_epoch(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, {"speed/epoch_seconds": [50, 1, 2, 9], "speed/data_wait": [0.5]}))
    assert run.figures == {"speed/epoch_seconds": 2, "speed/data_wait": 0.5}


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_cut_event_file_is_broken_and_keeps_what_can_be_read(tmp_path: Path, cut: int) -> None:
    folder = write_run(tmp_path, {"val_acc": [0.25, 0.5]}, state="finished")
    data = events(folder).read_bytes()
    events(folder).write_bytes(data[:-cut])
    run = read_run(folder)
    assert run.state is State.BROKEN
    assert "ends within record" in run.reason
    assert run.curves["val_acc"][0] == (0, 0.25)


@pytest.mark.parametrize(("content", "reason"), [(b"", "is empty"), (b"no events at all", "is no event file")])
def test_a_file_that_holds_no_events_is_broken(tmp_path: Path, content: bytes, reason: str) -> None:
    folder = write_run(tmp_path, {"val_acc": [0.5]}, state="finished")
    events(folder).write_bytes(content)
    run = read_run(folder)
    assert (run.state, run.curves) == (State.BROKEN, {})
    assert reason in run.reason


@given(st.binary(max_size=200))
def test_no_bytes_make_reading_fail(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("run")
    for name in ("events.out.tfevents.1.host", "run.wandb", "config.yaml", "environment.json"):
        (folder / name).write_bytes(content)
    assert read_run(folder).state is not State.FINISHED
    assert read_logs(folder).damage


def test_a_running_run_may_have_half_a_record(tmp_path: Path) -> None:
    folder = write_run(tmp_path, {"val_acc": [0.5]}, state="running", started="today")
    events(folder).write_bytes(events(folder).read_bytes()[:-3])
    run = read_run(folder)
    assert (run.state, run.reason) == (State.RUNNING, "since today")


def test_a_killed_run_is_broken(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run = read_run(write_run(tmp_path, {"val_acc": [0.5]}, state="running", process=gone.pid))
    assert run.state is State.BROKEN
    assert "its process is gone" in run.reason
    assert run.figures == {"val_acc": 0.5}


def test_a_run_elsewhere_is_running_while_it_logs(tmp_path: Path) -> None:
    import os

    folder = write_run(tmp_path, {"val_acc": [0.5]}, state="running", host="another")
    assert read_run(folder).state is State.RUNNING
    os.utime(events(folder), (0, 0))
    assert read_run(folder).state is State.BROKEN


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, {"val_acc": [0.5]}, state="failed", error="ValueError: no"))
    assert (run.state, run.reason) == (State.BROKEN, "failed: ValueError: no")


def test_an_unknown_state_is_told(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, {"val_acc": [0.5]}, state="done"))
    assert run.state is State.BROKEN
    assert run.reason == "environment.json says 'done'; known are running, finished, interrupted, failed"


def test_foreign_logs_are_shown_as_such(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "theirs", {"accuracy": [0.5]}))
    assert (run.state, run.figures, run.name, run.seed) == (State.FOREIGN, {"accuracy": 0.5}, "theirs", None)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert read_run(empty).state is State.FOREIGN


def test_a_broken_configuration_is_told(tmp_path: Path) -> None:
    folder = write_run(tmp_path, {"val_acc": [0.5]}, state="finished")
    (folder / "config.yaml").write_text("a: [")
    assert read_run(folder).reason.startswith("config.yaml cannot be read")
    (folder / "config.yaml").unlink()
    (folder / "environment.json").write_text(json.dumps(["a list"]))
    assert read_run(folder).reason == "environment.json holds no names and values"


def test_runs_are_found_below_folders_once(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a" / "version_0", {"val_acc": [0.5]})
    second = tmp_path / "b"
    second.mkdir()
    (second / "config.yaml").touch()
    assert find_runs([tmp_path, first, tmp_path / "b" / ".." / "a"]) == [first, second]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert find_runs([empty]) == [empty]
    with pytest.raises(ValueError, match="is no folder; give folders of logged runs"):
        find_runs([tmp_path / "none"])
