"""The study of transfer: its probes, its features and its tables, on made-up figures."""

import numpy as np
import pytest
import torch
from torch import nn

from experiments.transfer import features, levels, probes, shown
from experiments.transfer.features import Arm, Made
from experiments.transfer.tables import accuracy, costs, curves, draw, saved
from lossy_lightning.codecs import JPEG, MP3, PCM, VQ

GENERATOR = np.random.default_rng(0)
MEANS = 3 * GENERATOR.normal(size=(4, 12))
LABELS = np.arange(200) % 4
FEATURES = (MEANS[LABELS] + GENERATOR.normal(size=(200, 12))).astype(np.float16)


def run(best, **told):
    """A run whose accuracy rises to its best."""
    found = {str(number): [best - 50 / (number or 100) + i for i in (0, 1)] for number in probes.SIZES}
    found["None"] = [best]
    about = {"milliseconds": 1.0, "bytes": 64.0, "macs": 1e6, "features": 64, "per_class": 100, "tested": 1000}
    return {"linear": found, "hidden": found} | about | told


ARMS = {Arm("JPEG"): run(60.0), Arm("", "net"): run(90.0), Arm("JPEG", "net"): run(58.0, macs=float("nan"))}


def test_draws_have_as_many_of_each_class():
    chosen = probes.drawn(LABELS, 5, 0)
    assert np.bincount(LABELS[chosen]).tolist() == [5, 5, 5, 5]
    assert len(np.unique(chosen)) == 20
    assert not np.array_equal(chosen, probes.drawn(LABELS, 5, 1))
    assert len(probes.drawn(LABELS, None, 0)) == 200


@pytest.mark.parametrize("number", [1, 10, None])
def test_probes_learn_what_is_easy(number):
    found = probes.accuracies(FEATURES[:100], LABELS[:100], FEATURES[100:], LABELS[100:], number, 0)
    assert min(found.values()) > (95 if number != 1 else 75)


@pytest.mark.parametrize("count", [8, 100])
def test_the_linear_probe_leaves_one_out_as_refitting_does(count, monkeypatch):
    """The penalty chosen is the one whose refits err least on the examples that they leave out."""
    noisy = (FEATURES[:count].astype(np.float32) - MEANS[LABELS[:count]] * 0.8).astype(np.float32)
    train, _ = probes.scaled(noisy, noisy)
    labels = LABELS[:count]
    targets = 2.0 * (labels[:, None] == np.arange(4)) - 1

    def error(penalty):
        total = 0.0
        for i in range(count):
            others = np.arange(count) != i
            x, y = train[others], targets[others]
            centre, mean = x.mean(0), y.mean(0)
            gram = (x - centre).T @ (x - centre) + penalty * np.eye(x.shape[1])
            weights = np.linalg.solve(gram, (x - centre).T @ (y - mean))
            total += np.square((train[i] - centre) @ weights + mean - targets[i]).sum()
        return total

    best = min(probes.PENALTIES, key=error)
    monkeypatch.setattr(probes, "PENALTIES", (best,))
    alone = probes.linear(train, labels, train)
    monkeypatch.undo()
    assert np.array_equal(probes.linear(train, labels, train), alone)


def test_needed_examples_are_read_off_a_curve():
    assert probes.needed({1: 20, 10: 40, 100: 60}, 50) == pytest.approx(10**1.5)
    assert probes.needed({1: 20, 10: 40}, 10) == 1
    assert np.isnan(probes.needed({1: 20, 10: 40}, 50))


def test_tables():
    rows = curves(ARMS, "linear")
    assert rows[0][1:] == ["1", "2", "5", "10", "20", "all"]
    assert [row[0] for row in rows[1:]] == ["JPEG", "net of signals", "net of JPEG"]
    rows = saved(ARMS)
    assert [row[0] for row in rows[1:]] == ["20 a class of JPEG", "100 a class of JPEG"]
    assert rows[2][3] == "not reached"
    assert float(rows[2][2]) < 5
    assert [row[2] for row in costs(ARMS)[1:]] == ["1.00", "1.00", "not counted"]
    single = accuracy(ARMS[Arm("JPEG")], "linear", None)
    assert single.low < 60 < single.high


def test_a_picture_has_a_panel_for_each_data_set(tmp_path):
    draw({("cifar10", arm): told for arm, told in ARMS.items()}, tmp_path)
    assert (tmp_path / "transfer.svg").stat().st_size > 1000


def test_features_of_codes_and_networks(monkeypatch):
    images = torch.randint(256, (6, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    jpeg = JPEG(50, "4:4:4", dequantize=True)
    made = features.make(Arm("JPEG"), jpeg, images, batch=4)
    assert made.values.shape == (6, 3072)
    assert made.values.dtype == np.float16
    assert made.macs == 0
    plain = JPEG(50, "4:4:4")
    sizes = [len(plain.write(plain.encode(image), (3, 32, 32))) for image in images]
    assert made.bytes == pytest.approx(np.mean(sizes))
    vq = features.make(Arm("k-means"), VQ((4, 4), 16).fit([images]), images)
    assert vq.values.shape == (6, 2048)
    assert vq.bytes == 32

    class Means(nn.Module):
        def embed(self, pixels):
            return pixels.mean((2, 3))

        def forward(self, pixels):
            return self.embed(pixels)

    monkeypatch.setattr(features, "network", lambda name: (Means(), lambda x: x.float() / 255, (3, 8, 8)))
    of_network = features.make(Arm("", "means"), jpeg, images)
    np.testing.assert_allclose(of_network.values, images.float().div(255).mean((2, 3)).half().numpy(), rtol=1e-3)
    assert of_network.bytes == 6


def test_features_of_sounds():
    sounds = (1000 * torch.randn(2, 1, 16_000, generator=torch.Generator().manual_seed(0))).to(torch.int16)
    made = features.make(Arm("MP3"), MP3(16, 16_000), sounds)
    assert made.values.shape[0] == 2
    assert np.isfinite(made.values).all()
    assert made.bytes == 2000


def test_features_are_kept(tmp_path):
    made = Made(np.ones((2, 3), np.float16), 1.0, 2.0, float("nan"))
    path = tmp_path / "features" / "some.npz"
    features.kept(path, lambda: made)
    again = features.kept(path, lambda: pytest.fail("made again"))
    np.testing.assert_array_equal(again.values, made.values)
    assert np.isnan(again.macs)


def test_shown_data_are_tested_fold_by_fold(monkeypatch):
    values = torch.from_numpy(8 * FEATURES[:, :, None].astype(np.float32) + 128).to(torch.uint8)
    images = values.reshape(200, 3, 2, 2)
    names = np.array(list("abcd"))[LABELS]
    study = shown.Study(
        lambda: shown.Data(images, names, np.arange(200) // 40), lambda name: PCM(), (Arm("pixels"),), (1, 20, None), ""
    )
    monkeypatch.setitem(shown.STUDIES, "made", study)
    found = shown.run("made", Arm("pixels"), 10)
    assert [len(values) for values in found["linear"].values()] == [10, 10, 5]
    assert np.mean(found["linear"]["None"]) > 90
    assert found["tested"] == 40
    rows = curves({Arm("pixels"): found}, "linear", study.sizes)
    assert rows[0][1:] == ["1", "20", "all"]
    fixed = study._replace(take=lambda: shown.Data(images, names, np.where(np.arange(200) < 160, -1, 0)))
    monkeypatch.setitem(shown.STUDIES, "fixed", fixed)
    assert len(shown.run("fixed", Arm("pixels"), 2)["linear"]["None"]) == 1


def test_only_the_stem_and_the_last_layer_learn_levels(monkeypatch):
    images = torch.randint(256, (20, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    coefficients = levels.levels(images)
    assert coefficients.shape == (20, 192, 16, 16)
    made, filled = [], []
    build = levels.network
    monkeypatch.setattr(levels, "load_tflite_weights", lambda network, path: filled.append(path.name))
    monkeypatch.setattr(levels, "network", lambda: made.append(build()) or made[-1])
    monkeypatch.setattr(levels, "STEPS", 2)
    monkeypatch.setenv("LOSSY_DATA", ".")
    labels = torch.arange(20) % 10
    assert 0 <= levels.accuracy(coefficients, labels, coefficients, labels, 0) <= 100
    assert filled == ["mobilenet_v1_0.25_128_quant.tflite"]
    names = {name.partition(".")[0] for name, each in made[0].named_parameters() if each.requires_grad}
    assert names == {"entry", "classifier"}
    torch.manual_seed(0)
    for before, after in zip(
        build().features.state_dict().values(), made[0].features.state_dict().values(), strict=True
    ):
        assert torch.equal(before, after)
