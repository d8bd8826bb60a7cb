"""Files of several loggers, whole and damaged, of one run and of several."""

import json
import math
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from lossy_lightning.callbacks import Provenance
from lossy_lightning.report import State, group_runs, read_run, read_runs, table_rows
from lossy_lightning.report.command import report
from lossy_lightning.report.table import usual_columns

from ..callbacks.foreign import Foreign, loader
from .runs import events, write_run


class Logging(Foreign):
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.log("train/acc", 0.5, on_epoch=True, on_step=False)
        return super().training_step(batch, batch_idx)

    def predict_step(self, batch: Any, batch_idx: int) -> Any:
        return batch


def test_loggers_of_one_run_are_one_and_of_two_runs_two(tmp_path: Path) -> None:
    for _ in range(2):
        loggers = [CSVLogger(tmp_path / "csv", "mine"), TensorBoardLogger(str(tmp_path / "board"), "mine")]
        Trainer(
            max_epochs=1, logger=loggers, accelerator="cpu", callbacks=[Provenance()], enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        ).fit(Logging(), loader(), loader())  # fmt: skip
    runs = read_runs([tmp_path])
    assert [(run.state, run.reason, run.notes, run.figures["train/acc"]) for run in runs] == [
        (State.FINISHED, "", (), 0.5)
    ] * 2


def test_a_damaged_file_of_one_logger_falsifies_nothing(tmp_path: Path) -> None:
    for place in ("a", "b"):
        write_run(tmp_path / place, {"val_acc": [0.25, 0.5]}, state="finished", run="1", seed=3)
    events(tmp_path / "a").write_bytes(events(tmp_path / "a").read_bytes()[:-30])
    (run,) = read_runs([tmp_path])
    assert (run.state, run.figures, run.path.name) == (State.FINISHED, {"val_acc": 0.5}, "b")
    assert "ends within record" in run.notes[0]


def test_a_table_of_text_is_read(tmp_path: Path) -> None:
    rows = ["epoch,step,/train/acc,/val/acc,acc,acc,word", "0,9,.25,,1,nan,hi", "1,19,.5,inf,2,3,", "1,20", ""]
    (tmp_path / "metrics.csv").write_text("\n".join(rows))
    run = read_run(tmp_path)
    assert run.curves["/train/acc"] == [(0, 0.25), (1, 0.5)]
    assert run.figures == {"/train/acc": 0.5, "/val/acc": math.inf, "acc": 2, "acc (2)": 3}
    assert (run.state, run.reason) == (State.BROKEN, "metrics.csv has 2 of 7 values in line 4")
    assert run.notes[-1] == "metrics.csv holds what is no number in word"


def test_a_folder_of_two_loggers_prefers_the_whole_one(tmp_path: Path) -> None:
    write_run(tmp_path, {"train/acc": [0.5]}, state="finished")
    (tmp_path / "metrics.csv").write_text("step,/train/acc,other\n0,.25,1\n1,2\n")
    run = read_run(tmp_path)
    assert (run.state, run.figures) == (State.FINISHED, {"train/acc": 0.5, "other": 1})
    assert run.notes == ("metrics.csv has 2 of 3 values in line 3",)


def test_summaries_of_the_new_style(tmp_path: Path) -> None:
    writer = EventFileWriter(str(tmp_path))
    for step, value in enumerate((0.25, math.inf)):
        writer.add_event(Event(step=step, summary=scalar_pb("new", value)))
    writer.close()
    assert read_run(tmp_path).curves == {"new": [(0, 0.25), (1, math.inf)]}


def test_a_value_that_changed_on_the_disk_is_not_shown(tmp_path: Path) -> None:
    folder = write_run(tmp_path, {"val_acc": [0.5]}, state="finished")
    data = events(folder).read_bytes()
    events(folder).write_bytes(data.replace(struct.pack("<f", 0.5), struct.pack("<f", 0.75)))
    run = read_run(folder)
    assert (run.state, run.figures) == (State.BROKEN, {})
    assert "is damaged at record 1" in run.reason


def field(number: int, content: bytes) -> bytes:
    """A field of a message of Protocol Buffers, for less than 128 bytes."""
    assert len(content) < 128
    return (
        (bytes([number << 3 | 2]) if number < 16 else bytes([(number << 3 | 2) & 127 | 128, 1]))
        + bytes([len(content)])
        + content
    )


def offline(*rows: dict[str, Any]) -> bytes:
    """The file of an offline run of W&B."""
    data = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
    for row in rows:
        items = (field(2, name.encode()) + field(16, json.dumps(value).encode()) for name, value in row.items())
        record = field(2, b"".join(field(1, item) for item in items))
        data += struct.pack("<IHB", zlib.crc32(record, zlib.crc32(b"\x01")), len(record), 1) + record
    return data


def test_offline_runs_of_wandb(tmp_path: Path) -> None:
    content = offline(
        {"/train/acc": 0.25, "_step": 0, "epoch": 0, "trainer/global_step": 9, "sound": {"path": "x"}},
        {"/train/acc": 0.5, "loss": "NaN", "epoch": 1, "trainer/global_step": 19},
    )
    for i, cut in enumerate((None, -4)):
        folder = tmp_path / f"offline-run-{i}"
        (folder / "files").mkdir(parents=True)
        (folder / "files" / "config.yaml").write_text("wandb_version: 1")
        (folder / f"run-{i}.wandb").write_bytes(content[:cut])
    whole, broken = read_runs([tmp_path])
    assert whole.curves["/train/acc"] == [(0, 0.25), (1, 0.5)]
    assert (whole.state, math.isnan(whole.figures.pop("loss"))) == (State.FOREIGN, True)
    assert whole.figures == {"/train/acc": 0.5}
    assert (broken.state, broken.figures) == (State.BROKEN, {"/train/acc": 0.25})
    assert "run-1.wandb ends within a record" in broken.reason


FOREIGN_YAML = {
    "when: 2026-01-31\nnever: 2026-02-30\n1: a\n'1': b\n2.5: {true: c}\nnull: d": "mixed keys",
    "a: &a [*a, &b {me: *b}]": "self-references",
    "data: [1, [2, {init_args: 3}]]\nmodel: [a]\nseed_everything: [1]\nfold: {a: 1}": "lists",
    "a: !!python/object:x.Y {b: 1}\nc: !mine 3\nd: !!python/tuple [1]\ne: !!set {x, y}\nf: !!binary aGk=": "tags",
    "a: .nan\nb: -.inf": "no numbers",
}


@pytest.mark.parametrize("content", FOREIGN_YAML, ids=FOREIGN_YAML.values())
def test_whatever_stands_in_yaml_the_report_is_made(tmp_path: Path, content: str) -> None:
    for name in "ab":
        (write_run(tmp_path / name / "mine", {"test_acc": [0.5]}, state="finished") / "config.yaml").write_text(content)
    runs = read_runs([tmp_path])
    assert [run.state for run in runs] == [State.FINISHED] * 2
    (group,) = group_runs(runs)
    assert table_rows([group], ["test_acc"])[1] == ["mine", "50.00", "?, ?"]
    write_and_read(runs, tmp_path / "r.json")


def write_and_read(runs: Any, path: Path) -> Any:
    from lossy_lightning.report import read_results, write_results

    write_results(path, runs)
    assert "NaN" not in path.read_text().replace('"NaN"', "")
    return read_results(path)


def test_a_file_that_unfolds_to_millions_of_values_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    folder = write_run(tmp_path, {"test_acc": [0.5]}, state="finished")
    (folder / "config.yaml").write_text("\n".join(lines))
    assert "more than 100000 values" in read_run(folder).reason


@pytest.mark.parametrize("wrong", [[1], {"a": 1}, 1.5, "text"])
def test_an_environment_of_other_kinds_is_told(tmp_path: Path, wrong: Any) -> None:
    names = ("error", "command", "started", "versions", "hardware", "stages", "seed", "process", "run", "ended")
    write_run(tmp_path, {"test_acc": [0.5]}, state="finished", **dict.fromkeys(names, wrong))
    (run,) = read_runs([tmp_path])
    assert (run.state, run.seed) == (State.FINISHED, None)
    assert "environment.json: seed is no int, and is left out" in run.notes
    from lossy_lightning.report.table import provenance

    assert provenance(group_runs([run]))


def test_names_and_values_survive_a_file_of_results(tmp_path: Path) -> None:
    head = "step,/train/acc,/val/acc,a,b\n"
    (tmp_path / "metrics.csv").write_text(head + "0,.25,.5,nan,-inf\n")
    (run,) = write_and_read([read_run(tmp_path)], tmp_path / "r.json")
    assert math.isnan(run.figures.pop("a"))
    assert run.figures == {"/train/acc": 0.25, "/val/acc": 0.5, "b": -math.inf}


@pytest.mark.parametrize("logger", [CSVLogger, TensorBoardLogger])
def test_a_prediction_is_no_row(tmp_path: Path, logger: Any, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "other", {"test_acc": [0.5]}, state="finished")
    quiet = {"accelerator": "cpu", "enable_progress_bar": False}
    place = logger(str(tmp_path), "mine", default_hp_metric=True) if logger is TensorBoardLogger else logger(tmp_path)
    place.log_hyperparams({"a": 1})
    Trainer(logger=place, callbacks=[Provenance()], **quiet).predict(Logging(), loader())
    report([str(tmp_path)])
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()][2:] == ["other", "left"]
    assert "left out: " in printed


def test_a_prediction_changes_nothing_of_a_training(tmp_path: Path) -> None:
    class Failing(Logging):
        def predict_step(self, batch: Any, batch_idx: int) -> Any:
            raise ZeroDivisionError

    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(
        max_epochs=1, logger=CSVLogger(tmp_path), callbacks=[Provenance()], enable_checkpointing=False, **quiet
    )
    trainer.fit(Failing(), loader(), loader())
    with pytest.raises(ZeroDivisionError):
        trainer.predict(Failing(), loader())
    (run,) = read_runs([tmp_path])
    assert (run.state, run.figures["train/acc"]) == (State.FINISHED, 0.5)


def test_untrained_weights_make_a_row_of_their_own(tmp_path: Path) -> None:
    config = {"seed_everything": 0, "levels": 16}
    for i, stages in enumerate(({"fit": None, "test": None}, {"test": None}, {"test": "a.ckpt"})):
        about = {"started": f"2026-01-0{i + 1}", "stages": stages}
        write_run(tmp_path / "mine" / f"version_{i}", {"test_acc": [0.75 - i / 4]}, config, state="finished", **about)
    trained, untrained = group_runs(read_runs([tmp_path]))
    assert (trained.name, untrained.name) == ("mine", "mine, no checkpoint")
    assert (trained.summary("test_acc")[0], untrained.summary("test_acc")[0]) == (0.25, 0.5)  # type: ignore[index]


def test_the_tested_epoch_says_whether_weights_were_trained(tmp_path: Path) -> None:
    config = {"seed_everything": 0, "levels": 16}
    for i, epoch in enumerate((7, -1)):
        figures = {"test_acc": [0.5], "tested_epoch": [epoch]}
        write_run(tmp_path / "mine" / f"version_{i}", figures, config, state="finished", stages={"test": None})
    groups = group_runs(read_runs([tmp_path]))
    assert [group.name for group in groups] == ["mine", "mine, no checkpoint"]
    assert "tested_epoch" in usual_columns(groups)
    assert [row[1:3] for row in table_rows(groups, ["test_acc", "tested_epoch"])] == [
        ["test accuracy, %", "tested epoch"], ["50.00", "7.0"], ["50.00", "-1.0"],
    ]  # fmt: skip


def test_200_runs_are_read_in_time(tmp_path: Path) -> None:
    for seed in range(200):
        config = {
            "seed_everything": seed,
            "model": {str(i): {"class_path": "a.B", "init_args": {"c": i}} for i in range(40)},
        }
        write_run(tmp_path / "mine" / f"version_{seed}", {n: [0.5] * 10 for n in ("val_acc", "val_loss")}, config)
    start = time.process_time()
    (group,) = group_runs(read_runs([tmp_path]))
    assert table_rows([group], ["val_acc"])[1][1] == "50.00"
    assert time.process_time() - start < 10


def test_numbers_that_are_none_show_as_such(tmp_path: Path) -> None:
    for seed, value in enumerate((0.5, math.inf)):
        write_run(tmp_path / "mine" / f"version_{seed}", {"val_loss": [value]}, {"seed_everything": seed, "lr": 1})
    (group,) = group_runs(read_runs([tmp_path]))
    assert table_rows([group], ["val_loss"])[1][1] == "inf"
    assert torch.tensor(group.summary("val_loss")[1]).isnan()  # type: ignore[index]


def test_text_that_is_none_can_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "a\udcff"
    folder.mkdir()
    (folder / "environment.json").write_text('{"state": "finished", "command": "\\ud800"}')
    (folder / "metrics.csv").write_bytes(b"\xef\xbb\xbfstep,test_acc,\xff\n0,0.5,1\n")
    report([str(tmp_path), "--markdown", str(tmp_path / "a.md"), "--results", str(tmp_path / "a.json")])
    (run,) = read_runs([tmp_path / "a.json"])
    assert run.figures == {"test_acc": 0.5, "\ufffd": 1}
