from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lossy_lightning.report import Run, State, Summary, group_runs, summarize
from lossy_lightning.report.groups import differences
from lossy_lightning.report.table import provenance, seeds


def run(name: str, accuracy: float = 0.5, state: State = State.FINISHED, **config: Any) -> Run:
    return Run(Path(name) / "version_0", state, config=config, figures={"test_acc": accuracy})


def config(seed: int, levels: int = 16, **more: Any) -> dict[str, Any]:
    data = {"class_path": "Digits", "init_args": {"codec": {"levels": levels, "seed": seed}, "cache_dir": f"/{seed}"}}
    return {"seed_everything": seed, "data": data, "trainer": {"logger": {"version": seed}}, **more}


def test_seeds_and_places_make_no_new_experiment() -> None:
    (group,) = group_runs([run("a", **config(0)), run("a", **config(1)), run("a", **config(2))])
    assert (group.name, len(group.runs)) == ("a", 3)


def test_names_tell_what_differs() -> None:
    groups = group_runs([run("a", **config(0)), run("a", **config(0, levels=8)), run("b", **config(0, levels=4))])
    assert [group.name for group in groups] == ["a (levels=16)", "a (levels=8)", "b"]


def test_differences_are_the_settings_that_are_not_the_same_in_all_groups() -> None:
    more = {"optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.1}}}
    groups = group_runs([run("a", **config(0)), run("b", **config(1, 8, model=more)), run("c")])
    assert differences(groups) == {
        "data.codec.levels": ["16", "8", ""],
        "model.optimizer": ["", "Adam", ""],
        "model.optimizer.lr": ["", "0.1", ""],
    }
    assert differences(groups[:1]) == {}


def test_a_name_makes_a_row_of_its_own() -> None:
    groups = group_runs([run("before", **config(0)), run("after", **config(0)), run("before", **config(1))])
    assert [(group.name, len(group.runs)) for group in groups] == [("before", 2), ("after", 1)]


def test_of_another_class_the_arguments_are_not_named() -> None:
    def scheduled(**scheduler: Any) -> dict[str, Any]:
        return {"model": {"scheduler": scheduler or None}}

    cosine = {"class_path": "torch.optim.CosineAnnealingLR", "init_args": {"T_max": 10}}
    longer = {"class_path": "torch.optim.CosineAnnealingLR", "init_args": {"T_max": 20}}
    step = {"class_path": "torch.optim.StepLR", "init_args": {"step_size": 3}}
    groups = group_runs([run("a", **scheduled(**cosine)), run("a", **scheduled(**step)), run("a", **scheduled())])
    described = ["scheduler=CosineAnnealingLR", "scheduler=StepLR"]
    assert [group.name for group in groups] == [*(f"a ({text})" for text in described), "a"]
    groups = group_runs([run("a", **scheduled(**cosine)), run("a", **scheduled(**longer))])
    assert [group.name for group in groups] == ["a (T_max=10)", "a (T_max=20)"]


def test_folds_are_one_row() -> None:
    def fold(number: int) -> dict[str, Any]:
        return {"seed_everything": 0, "data": {"init_args": {"test_fold": number, "by_speaker": True}}}

    (group,) = group_runs([run("a", **fold(0)), run("a", **fold(1))])
    assert len(group.runs) == 2


def test_absolute_paths_and_what_is_not_set_make_no_new_experiment() -> None:
    first = run("a", data={"root": "/home/me/photos", "teacher": "runs/a.ckpt", "transform": None})
    (group,) = group_runs([first, run("a", data={"root": "/mnt/photos", "teacher": "runs/a.ckpt"})])
    assert len(group.runs) == 2
    assert len(group_runs([first, run("a", data={"root": "/home/me/photos", "teacher": "runs/b.ckpt"})])) == 2


def test_a_run_with_more_settings_renames_no_other() -> None:
    groups = group_runs([run("a", **config(0)), run("a", **config(0, new=True)), run("a", **config(1))])
    assert [(group.name, len(group.runs)) for group in groups] == [("a", 2), ("a (new=True)", 1)]


def test_a_test_of_a_checkpoint_is_of_the_experiment_that_it_tests() -> None:
    test = run("a", **config(0, ckpt_path="runs/a/last.ckpt", verbose=True))
    (group,) = group_runs([run("a", **config(0, ckpt_path=None)), test])
    assert (group.name, len(group.runs)) == ("a", 2)


def started(minute: int, seed: int | None, fold: int | None = None, **figures: float) -> Run:
    settings = {"seed_everything": seed, "levels": 16}
    environment = {"started": f"2026-01-01T00:{minute:02}:00+00:00", "devices": str(minute), "hardware": {"threads": 1}}
    path = Path("a") / f"version_{minute}"
    return Run(path, State.FINISHED, "", (), seed, fold, figures, settings, environment)


def test_a_seed_that_ran_again_counts_once_with_its_newest_figures() -> None:
    again = [started(9, 0, acc=0.5), started(3, 0, acc=0.25, loss=2.0), started(1, 1, acc=1.0)]
    (group,) = group_runs(again)
    # By hand: 0.5 and 1, mean 0.75, deviation sqrt(2 / 16).
    assert group.summary("acc") == pytest.approx((0.75, 0.125**0.5, 2))
    assert group.summary("loss") == Summary(2.0, None, 1)
    assert (seeds(group), group.states) == ("0, 1", {"finished": 3})
    assert [f"{minute}, 1 thread" in provenance([group]) for minute in (1, 3, 9)] == [True] * 3


def test_a_repeated_run_that_is_cut_counts_never() -> None:
    (group,) = group_runs([started(1, 0, acc=0.5), replace(started(2, 0, acc=0.0), state=State.BROKEN)])
    assert group.summary("acc") == Summary(0.5, None, 1)


def test_other_folds_and_unknown_seeds_are_samples_of_their_own() -> None:
    (group,) = group_runs([started(i, None, acc=i) for i in range(3)])
    assert group.summary("acc") == Summary(1.0, 1.0, 3)
    (group,) = group_runs([started(i, 0, fold=i, acc=i) for i in range(3)])
    assert group.summary("acc") == Summary(1.0, 1.0, 3)


def test_runs_without_configuration_stay_alone() -> None:
    groups = group_runs([run("x/a"), run("y/a")])
    assert [group.name for group in groups] == ["a (x/a/version_0)", "a (y/a/version_0)"]


def test_mean_and_deviation() -> None:
    # By hand: mean 84, squared differences 16 + 1 + 9 = 26, by 2 is 13.
    (group,) = group_runs(run("a", value, **config(i)) for i, value in enumerate([80.0, 85.0, 87.0]))
    summary = group.summary("test_acc")
    assert summary is not None
    assert summary == pytest.approx((84, 13**0.5, 3))
    assert summarize([3.0]) == Summary(3.0, None, 1)
    assert summarize([]) is None
    assert group.summary("unknown") is None


def test_broken_and_running_runs_are_listed_and_not_counted() -> None:
    states = [State.FINISHED, State.BROKEN, State.RUNNING]
    (group,) = group_runs(run("a", i, state, **config(i)) for i, state in enumerate(states))
    assert group.summary("test_acc") == Summary(0.0, None, 1)
    assert group.states == {"finished": 1, "running": 1, "broken": 1}
    (group,) = group_runs([run("a", 0.25, State.BROKEN, **config(0))])
    assert group.summary("test_acc") == Summary(0.25, None, 1)


def test_attack_curves_start_at_the_clean_accuracy() -> None:
    pytest.importorskip("matplotlib")
    from lossy_lightning.report.plots import attack_curve

    def attacked(seed: int, clean: float, weak: float) -> Run:
        figures = {
            "attack/acc_clean": clean,
            "attack/acc_step10": 0.0,
            "attack/acc_step2": weak,
            "attack/acc_file_step2": 1,
        }
        return Run(Path("a") / "version_0", State.FINISHED, figures=figures, config=config(seed))

    (group,) = group_runs([attacked(0, 0.75, 0.5), attacked(1, 0.25, 0.5)])
    assert attack_curve(group, "acc") == [(0, 0.5, pytest.approx(0.125**0.5)), (2, 0.5, 0.0), (10, 0.0, 0.0)]
    assert attack_curve(group, "acc_strongest") == []


def test_a_list_of_plain_values_is_one_setting():
    wide, deep = (run("a", 80.0, model={"init_args": {"hidden": hidden}}) for hidden in ([256, 256], [128]))
    groups = group_runs([wide, deep])
    assert sorted(group.name for group in groups) == ["a (hidden=[128])", "a (hidden=[256, 256])"]
    assert list(differences(groups)) == ["model.hidden"]
