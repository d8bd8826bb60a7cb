"""The study of complexity: how arms read files, what is tried in which order, and what its tables say."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.complexity import costs, study, tables
from experiments.complexity.reading import Moved, Scaled, Unfolded
from experiments.complexity.trials import FORMS, Recipe, changes, fitted, macs, merged, network, sequence
from lossy_lightning.codecs import JPEG, Decoded
from lossy_lightning.functional import ycbcr_to_rgb
from tests.codecs.transform.images import smooth

CODEC = JPEG(75, "4:4:4")


def file_of(image):
    data = io.BytesIO()
    Image.fromarray(image.movedim(0, -1).numpy()).save(data, "JPEG", quality=75, subsampling="4:4:4")
    return data.getvalue()


@pytest.mark.parametrize("factor", [2, 4])
def test_scaled_decoding_is_that_of_libjpeg(factor, tmp_path):
    images = smooth(6, 3, 32, 32)
    paths = [str(tmp_path / f"{number}.jpg") for number in range(6)]
    for path, image in zip(paths, images, strict=True):
        with open(path, "wb") as file:
            file.write(file_of(image))
    theirs = costs.reduced(paths, factor)
    ours = Scaled(75, factor).encode(images)
    assert ours.shape == theirs.shape == (6, *Scaled(75, factor).spec((3, 32, 32)).shape)
    assert (ours.int() - theirs.int()).abs().max() <= 2
    assert torch.equal(costs.levels(paths, CODEC), CODEC.encode(images))
    assert torch.equal(costs.pixels(paths), Decoded(CODEC).encode(images))


def test_unfolded_levels_are_the_image():
    images, spec = smooth(4, 3, 32, 32), CODEC.spec((3, 32, 32))
    code = CODEC.encode(images)
    stem = Unfolded(spec)
    stem.adapt([CODEC], spec, None)
    ycbcr = (128 * stem(code) + 128).round().clamp(0, 255)
    rgb = ycbcr_to_rgb(ycbcr).round().clamp(0, 255)
    assert (rgb - Decoded(CODEC).encode(images)).abs().max() <= 2
    half = Unfolded(spec, size=4, patch=2)
    half.adapt([CODEC], spec, None)
    assert half(code).shape[1:] == half.shape == (12, 8, 8)
    means = torch.nn.functional.avg_pool2d(stem(code), 8)
    assert torch.nn.functional.avg_pool2d(half(code), 2).view(4, 3, 4, 4, 4).mean(2).allclose(means, atol=1e-4)


def test_codes_are_moved_as_pixels_are():
    images = smooth(4, 3, 32, 32)
    code, move = CODEC.encode(images), Moved(4)
    move.adapt([CODEC], CODEC.spec((3, 32, 32)), None)
    moved = move(code)
    assert moved.shape == code.shape
    assert moved.dtype == code.dtype
    assert not torch.equal(moved, code)


def test_trials_are_seven_and_go_on_with_the_best():
    for arm, forms in FORMS.items():
        assert len(forms) == 5
        trials = sequence(arm)
        tried = [next(trials), *(trials.send(accuracy) for accuracy in (50.0, 50.0, 60.0, 50.0, 60.0, 61.0))]
        third = [*forms][2]
        assert tried == [*map(Recipe, forms), Recipe(third, deep=True), Recipe(third, deep=True, lr=0.2)]
        assert next(trials, None) is None


@pytest.mark.parametrize(("arm", "form"), [("codes", "16 frequencies"), ("pixels at reduced size", "1/4")])
def test_networks_are_as_wide_as_the_budget_allows(arm, form):
    unit = fitted(arm, Recipe(form), 0.3)
    assert macs(arm, Recipe(form), unit) <= 3e5 < macs(arm, Recipe(form), unit + 1)
    stem, backbone, codec = network(arm, Recipe(form, deep=True), 8)
    assert backbone(stem(codec.encode(smooth(2, 3, 32, 32)))).shape == (2, 10)


def test_changes_replace_classes_and_leave_the_rest():
    told = {"model": {"init_args": {"stem": {"class_path": "a.B", "init_args": {"c": 1}}, "lr": 1}}}
    more = {"model": {"init_args": {"stem": {"class_path": "a.D", "init_args": {}}}}}
    assert merged(told, more)["model"]["init_args"] == {"stem": {"class_path": "a.D", "init_args": {}}, "lr": 1}
    assert changes("codes", Recipe("16 frequencies", True), 8)["model"]["init_args"]["backbone"]["init_args"] == {
        "depths": [1, 2, 2],
        "widths": [2, 4, 6],
        "strides": [1, 2, 2],
        "entry_stride": 1,
        "entry_kernel": 3,
    }


def run_of(share):
    right = np.arange(100) < 100 * share
    return {"accuracy": 100 * share, "macs": 3e5, "examples": 100, "right": np.packbits(right).tobytes().hex()}


def test_tables_and_pictures(tmp_path, capsys):
    found = {
        (0.3, "pixels"): [run_of(0.5), run_of(0.51)],
        (0.3, "codes"): [run_of(0.6), run_of(0.61)],
        (1.0, "pixels"): [run_of(0.6), run_of(0.64)],
        (1.0, "codes"): [run_of(0.61), run_of(0.62)],
    }
    recipes = {place: Recipe("x") for place in found}
    rows = tables.accuracies(found, recipes)
    assert rows[1][-2] == "+10.00 (+10.00 to +10.00)"
    assert rows[2][-2:] == ["", ""]
    assert tables.ahead(found) == "Codes are ahead of pixels at: 0.3; behind at: none."
    networks = {"0.3 codes": {"parameters": 5e3, "features": 2048, "step": 9.0, "one": 0.5}}
    measured = {"networks": networks, "reading": {"32x32": {"levels": 0.1}}, "machine": "a machine"}
    tables.write(found, recipes, measured, None)
    assert "| 0.3 | codes | 0.30 | 5.0 | 2 | 9.0 | 0.50 |  |" in capsys.readouterr().out
    tables.draw(found, measured, tmp_path)
    assert len(list(tmp_path.glob("*.svg"))) == len(tables.COSTS) - 1


def test_files_are_classified(tmp_path, monkeypatch):
    monkeypatch.setattr(costs, "TURNS", 1)
    monkeypatch.setattr(costs, "COUNT", 1)
    (tmp_path / "cifar10" / "test" / "cat").mkdir(parents=True)
    Image.fromarray(smooth(1, 3, 32, 32)[0].movedim(0, -1).numpy()).save(tmp_path / "cifar10/test/cat/0.png")
    monkeypatch.setenv("LOSSY_DATA", str(tmp_path))
    found = costs.of_networks({(0.3, "codes"): Recipe("4 frequencies"), (0.3, "pixels"): Recipe("patches of 4")})
    assert found["0.3 codes"].keys() == {"parameters", "features", "step", "one", "together"}
    assert costs.of_reading().keys() == {"32x32, 4:4:4"}


def test_either_arm_of_a_source_is_a_run_of_its_own(tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(study, "once", lambda done, name, make: seen.append(name) or run_of(0.5))
    monkeypatch.chdir(tmp_path)
    given = study.options().parse_args(["--seeds", "0", "1"])
    found = study.from_same_images(given, tmp_path, [])
    assert len(seen) == len(set(seen)) == 16
    assert sum('"view"' in name for name in seen) == sum("codecs.PCM" in name for name in seen) == 4
    tables.write_sources(found, None)
    assert capsys.readouterr().out.count("| never coded |") == 2
