"""The study of drift: what its counts say, who sees which quality, and that what is there is not run again."""

import json
import sys

import numpy as np
import pytest
import torch

from benchmarks.harness import config
from experiments.drift import study, tables
from experiments.drift.mixture import Mixture
from lossy_lightning.codecs import JPEG
from lossy_lightning.data import CIFAR10
from tests.codecs.transform.images import smooth


def run_of(counts):
    return {"counts": {name: " ".join(map(str, c.flatten().tolist())) for name, c in counts.items()}, "macs": 2e6}


def counted(poor_share, poor=3):
    """100 images a class, all right at quality 50 and 95; at 10 a share of the others is taken for the poor class."""
    right = 100 * np.eye(10, dtype=int)
    moved = right.copy()
    for true in range(10):
        if true != poor:
            moved[true, true] -= poor_share
            moved[true, poor] += poor_share
    return {"q10": moved, "q50": right, "q95": right}


def test_measures_of_counts():
    counts = counted(30)
    assert tables.proxy_rate(counts, "cat-dog") == pytest.approx(30)
    assert tables.proxy_rate(counts, "dog-cat") == 0
    assert tables.swapped_accuracy(counts, "cat-dog") == pytest.approx((100 + 70) / 2)
    assert tables.straight_accuracy(counts, "cat-dog") == 100


def test_tables_subtract_the_twin_of_the_seed_and_the_first_arm():
    titles, pairs, seeds = {"a": "pixels", "b": "codes"}, ["cat-dog"], [0, 1]
    found = {("a", "cat-dog", seed): run_of(counted(30 + seed)) for seed in seeds}
    found |= {("b", "cat-dog", seed): run_of(counted(20)) for seed in seeds}
    found |= {(arm, "twin", seed): run_of(counted(10)) for arm in titles for seed in seeds}
    head, first, second = tables.proxies(found, titles, pairs, seeds)
    assert head[-1] == "less that of pixels"
    assert first[:4] == ["pixels", "30.50", "10.00", "+20.50 (+14.15 to +26.85)"]
    assert first[4] == "+20.50"
    assert second[1] == "20.00"
    assert second[-1].startswith("-10.50 (")
    assert tables.swapped(found, titles, pairs, seeds)[1][1:3] == ["84.75", "95.00"]
    row = tables.accuracies(found, titles, pairs, seeds)[1]
    assert row[:3] == ["pixels", "2.00", "100.0"]
    assert row[3:5] == ["72.5, 91.0", "100.0, 100.0"]


def test_pairs_are_all_classes():
    assert sorted("-".join(study.PAIRS).split("-")) == sorted(CIFAR10.classes) == sorted(tables.CLASSES)


@pytest.mark.parametrize(
    "arm",
    ["drift_coefficients", *(pytest.param(a, marks=pytest.mark.slow) for a in study.ARMS if a != "drift_coefficients")],
)
def test_each_arm_sees_the_same_qualities(arm):
    _, told = study.coded(arm, "cat-dog", 0)
    chosen = json.loads(told)
    assert [text.count('"quality": 10,') for text in (json.dumps(chosen["3"]), json.dumps(chosen["5"]))] == [1, 0]
    assert '"quality": 95,' in json.dumps(chosen["5"])
    (_, told) = study.coded(arm, study.TWIN, 4)
    mixture = json.loads(told)["init_args"]
    assert mixture["shares"] == [0.8, 0.1, 0.1]
    assert mixture["seed"] == 4
    qualities = [10, 25, 50, 75, 95]
    (monitor,) = (c for c in config(arm)["trainer"]["callbacks"] if c["class_path"].endswith("DriftMonitor"))
    own = config(arm)["data"]["init_args"]["codec"]
    assert config(arm)["data"]["init_args"]["val_fraction"] == 0
    assert monitor["init_args"]["codecs"] == {f"q{quality}": study.at(own, quality) for quality in qualities}


def test_signals_draw_their_codec_themselves():
    codecs = [JPEG(quality, "4:4:4", dequantize=True) for quality in (50, 10, 95)]
    mixture = Mixture(codecs, [0.8, 0.1, 0.1], seed=1)
    images = torch.randint(0, 256, (1000, 3, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    chosen = mixture.chosen(images)
    assert (chosen.bincount() / 1000).tolist() == pytest.approx([0.8, 0.1, 0.1], abs=0.03)
    assert not torch.equal(chosen, Mixture(codecs, [0.8, 0.1, 0.1], seed=2).chosen(images))
    code = mixture.encode(images[:50])
    assert torch.equal(code[7], mixture.encode(images[7]))
    assert all(torch.equal(code[i], codecs[chosen[i]].encode(images[i])) for i in range(50))
    assert mixture.steps().keys() == {"luma", "cb", "cr"}
    assert Mixture([JPEG(10), JPEG(50)], [0.5, 0.5]).steps() is None
    assert mixture.decode(mixture.encode(smooth(1, 3, 16, 16))).shape == (1, 3, 16, 16)


def test_what_is_complete():
    arms, pairs = ["a"], ["cat-dog", "bird-frog"]
    found = {("a", pair, 0): {} for pair in ("twin", *pairs)} | {("a", "twin", 1): {}, ("a", "cat-dog", 1): {}}
    assert study.complete(found, arms, pairs, [0, 1]) == (pairs, [0])
    found.pop(("a", "bird-frog", 0))
    assert study.complete(found, arms, pairs, [0, 1]) == (["cat-dog"], [0])
    assert study.complete({}, arms, pairs, [0, 1])[0] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_study_runs_and_what_is_there_is_not_run_again(tmp_path, tiny_data, monkeypatch, capsys):
    monkeypatch.setenv("LOSSY_DATA", str(tiny_data))
    arguments = [
        "--pairs",
        "cat-dog",
        "--seeds",
        "0",
        "--arms",
        "drift_coefficients_augmented",
        "--trainer.max_epochs=1",
    ]
    monkeypatch.setattr(sys, "argv", ["study", *arguments, "--folder", str(tmp_path), "--held-out"])
    study.main()
    first = capsys.readouterr().out
    assert first.count("| B·Q, coded again |") == 3
    assert len(json.loads((tmp_path / "held_out.json").read_text())) == 2
    monkeypatch.setattr(study, "run", lambda *_: pytest.fail("run again"))
    study.main()
    assert "| B·Q, coded again |" in capsys.readouterr().out
