import json
import logging
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import harness
from benchmarks.accuracy import jpeg, mnist, speech
from benchmarks.harness import config, foundations, layers, machine, once, precision, recipe, seconds, show, spread
from benchmarks.run import main


def test_rows_of_tables_are_runs_of_studies() -> None:
    named = {*mnist.ROWS.values(), *jpeg.ROWS.values(), *(name for name, _ in speech.ROWS.values())}
    assert named <= layers().keys()


def test_foundations_are_read_off_the_checkpoints_of_a_configuration() -> None:
    assert foundations("mnist_vq_binary") == []
    assert foundations("mnist_vqvae_learned") == ["mnist_vqvae", "mnist_vqvae_bits"]
    assert foundations("mnist_joint_codes_warm") == ["mnist_joint_codes_twin", "mnist_joint"]
    assert foundations("speech_lyra_binary") == ["speech_lyra_float"]


def test_a_recipe_changes_with_what_it_builds_on(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe("mnist_joint_codes")
    assert before.split()[::2] == ["mnist_joint_codes", "mnist_joint"]
    changed = {name: config(name) for name in ("mnist_joint_codes", "mnist_joint")}
    changed["mnist_joint"] = changed["mnist_joint"] | {"seed_everything": 1}
    monkeypatch.setattr(harness, "config", changed.get)
    after = recipe("mnist_joint_codes")
    assert after.split()[:3] == before.split()[:3]
    assert after.split()[3] != before.split()[3]


def test_files_are_told_wherever_a_run_names_them() -> None:
    given = jpeg.Files(50, "4:2:0").arguments("cifar10_resnet")
    codec = "--data.init_args.codec.init_args.codec.init_args"
    assert given == [f"{codec}.quality", "50", f"{codec}.chroma_subsampling", "4:2:0"]


def test_nothing_is_made_twice(tmp_path: Path) -> None:
    done = tmp_path / "figures.json"
    assert once(done, "a", lambda: 1.5) == 1.5
    assert once(done, "a", lambda: pytest.fail("made again")) == 1.5
    assert once(done, "b", lambda: 2) == 2
    assert json.loads(done.read_text()) == {"a": 1.5, "b": 2}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx2", "32-true"), ("avx2 avx512f", "32-true"), ("avx2 avx512f avx512_bf16", "bf16-mixed"), ("", "32-true")],
)
def test_bfloat16_only_if_the_processor_has_it(monkeypatch: pytest.MonkeyPatch, flags: str, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(harness, "_processor", {"flags": flags, "model name": "Some CPU"}.get)
    assert precision() == expected
    assert machine().startswith("Some CPU (")
    assert "AVX-512" in machine() if "avx512f" in flags else "AVX-512" not in machine()


def test_a_table_goes_into_its_document_with_the_line_below_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "numbers.md"
    document.write_text("<!-- table times -->\n<!-- end of table -->\n")
    show([["a"], ["1"]], "Measured today.", document, "times")
    table = "| a |\n|---|\n| 1 |\n\nMeasured today.\n"
    assert document.read_text() == f"<!-- table times -->\n\n{table}\n<!-- end of table -->\n"
    assert capsys.readouterr().out == table


def test_spread_and_clock() -> None:
    assert (spread([1.0, 3.0]), spread([2.0]), spread([1.0, 3.0], 1)) == ("2.00 ± 1.41", "2.00", "2.0 ± 1.4")
    assert seconds(lambda: None, iter([1.0, 3.5]).__next__) == 2.5


def test_a_run_is_made_after_those_that_it_builds_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made: list[list[str]] = []
    monkeypatch.setattr("benchmarks.run.command_line", made.append)
    monkeypatch.setattr(sys, "argv", ["run.py", "mnist_joint_codes", "--trainer.max_epochs", "1"])
    main()
    assert [[Path(part).stem for part in each if part.endswith(".yaml")] for each in made] == [
        ["mnist_joint"],
        ["base", "longer", "joint_codes"],
    ]
    assert made[1][-2:] == ["--trainer.max_epochs", "1"]
    assert capsys.readouterr().out.startswith("lossy-lightning fit --config ")
    monkeypatch.setattr(sys, "argv", ["run.py", "nothing"])
    with pytest.raises(SystemExit):
        main()
    assert "there is no experiment 'nothing'" in capsys.readouterr().err


def test_lightning_says_as_much_as_before_once_a_study_ends(tmp_path: Path) -> None:
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before = [logger.level for logger in loggers]
    with harness.kept(tmp_path):
        assert {logger.level for logger in loggers} == {logging.ERROR}
    assert [logger.level for logger in loggers] == before
