import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.harness import ROOT
from benchmarks.speed.gpu_jpeg import CASES, compare_exactly
from benchmarks.speed.gpu_steps import images, jpeg_file
from experiments.complexity import gpu
from experiments.complexity.gpu_training import cut_out, mix


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images a class and split, packed as for the GPU."""
    for split, name, number in itertools.product(("train", "test"), "abcdefghij", range(2)):
        folder = tmp_path / "cifar10" / split / name
        folder.mkdir(parents=True, exist_ok=True)
        pixels = torch.randint(256, (32, 32, 3), dtype=torch.uint8).numpy()
        Image.fromarray(pixels).save(folder / f"{number}.png")
    monkeypatch.setenv("LOSSY_DATA", str(tmp_path))
    gpu.pack(tmp_path / "packed.npz")
    return tmp_path / "packed.npz"


def test_arms_see_the_same_files(packed: Path) -> None:
    data = gpu.load(packed, "test", torch.device("cpu"), 1)
    index = torch.arange(20)
    pixels, half, codes = (data.examples(arm, index) for arm in data.arms)
    assert torch.equal(pixels.labels, torch.arange(10).repeat_interleave(2))
    # Unfolded codes are the pixels before they are rounded and clipped.
    assert (pixels.features - codes.features.clamp(-1, 1)).abs().mean() < 0.02
    small = torch.nn.functional.avg_pool2d(data.arms["pixels"].plain(index).float(), 2) / 127.5 - 1
    assert (half.features - small).abs().mean() < 0.05


def test_trials_are_as_many_for_each_arm_and_the_last_runs_are_not_repeated(packed: Path) -> None:
    data, tests = (gpu.load(packed, split, torch.device("cpu"), 1) for split in ("train", "test"))
    plan = gpu.trials(data, 1, 0.0, 0.0)
    assert {len(tried) for tried in plan["trials"].values()} == {10}
    assert plan["held_out"] == 5
    runs = gpu.final(data, tests, plan, [])
    assert [(run["arm"], run["seed"]) for run in runs[::3]] == [("pixels", 0), ("pixels", 1), ("pixels", 2)]
    assert gpu.final(data, tests, plan, [dict(run) for run in runs]) == runs
    assert "codes" in gpu.table(runs)


def test_the_document_shows_what_the_results_say() -> None:
    found = json.loads(gpu.RESULTS.read_text())
    plan = json.loads(gpu.RECIPES.read_text())
    assert gpu.table(found["runs"]) in (ROOT / "docs" / "numbers.md").read_text()
    for run in found["runs"]:
        assert run["recipe"] == plan["recipes"][run["arm"]]
        assert run["epochs"] == plan["final_epochs"]
        right = np.unpackbits(np.frombuffer(bytes.fromhex(run["right"]), np.uint8))
        assert 100 * right[: run["examples"]].mean() == pytest.approx(run["accuracy"])


def test_cut_out_and_mixed_examples() -> None:
    cut = cut_out(torch.ones(50, 2, 16, 16), 4)
    assert 4 <= int((cut == 0).sum(dim=(1, 2, 3)).max()) <= 32
    features, targets = mix(torch.arange(4.0).view(4, 1, 1, 1), torch.eye(4), 0.2)
    assert torch.allclose(targets.sum(1), torch.ones(4))
    assert torch.allclose((targets @ torch.arange(4.0)), features.flatten())


@pytest.mark.parametrize("case", CASES[::9], ids=str)
def test_a_device_is_compared_bit_for_bit(case) -> None:
    assert compare_exactly(*case, torch.device("cpu")) == 6


def test_made_files_are_as_large_as_photos() -> None:
    torch.manual_seed(0)
    sizes = [len(jpeg_file(image)) for image in images(4, 224, 224)]
    assert 8_000 < sum(sizes) / len(sizes) < 14_000
