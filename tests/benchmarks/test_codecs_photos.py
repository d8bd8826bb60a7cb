"""Learned codecs beside the standards on photos."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from experiments.codecs import photos
from experiments.codecs.photos import Figures, at, measure, pillow
from lossy_lightning.codecs import Hyperprior
from lossy_lightning.nn import GDNDecoder, GDNEncoder
from tests.codecs.transform.images import smooth

PHOTO = smooth(1, 3, 176, 192)[0].permute(1, 2, 0).numpy()


def test_sizes_are_of_files_and_distortion_is_of_pixels():
    size = 176 * 192 // 8
    found = measure(lambda photo: (b"x" * size, photo + 2), [PHOTO // 2, PHOTO // 2])
    assert found[:2] == (1.0, pytest.approx(20 * np.log10(255 / 2)))
    assert 0.9 < found.similarity < 1
    data, decoded = pillow({"format": "JPEG", "quality": 90})(PHOTO)
    assert data[:2] == b"\xff\xd8"
    assert np.abs(decoded.astype(int) - PHOTO).mean() < 3


def test_curves_are_read_between_their_points_alone():
    curve = [Figures(4.0, 40.0, 0.9), Figures(1.0, 30.0, 0.8)]
    assert [at(curve, bits) for bits in (0.5, 8.0)] == [None, None]
    assert [str(at(curve, bits)) for bits in (2.0, 4.0)] == ["35.0 / 0.850", "40.0 / 0.900"]


def test_the_table_and_the_picture(tmp_path, monkeypatch, capsys):
    noise = np.random.default_rng(0).integers(0, 256, PHOTO.shape, dtype=np.uint8)
    for place in ("kodak/a.png", "imagenette224/val/fish/a.JPEG"):
        (tmp_path / place).parent.mkdir(parents=True)
        Image.fromarray(noise).save(tmp_path / place, quality=95)
    codec = Hyperprior(GDNEncoder(4, [4, 4]), GDNDecoder(4, [4, 4]), 4, 4, exact=False)
    monkeypatch.setattr(photos, "trained", lambda *_: codec)
    monkeypatch.setattr(photos, "STANDARDS", {"JPEG": photos.STANDARDS["JPEG"][:5]})
    monkeypatch.setattr(photos, "recipe", lambda run: run)
    monkeypatch.setenv("LOSSY_DATA", str(tmp_path))
    options = ["--folder", str(tmp_path), "--finished", "--draw", str(tmp_path / "all.svg")]
    monkeypatch.setattr(sys, "argv", ["photos", *options])
    (tmp_path / "minutes.json").write_text(json.dumps({f"{photos.RUN} 0.03": 8.25}))
    photos.main()
    told = capsys.readouterr().out
    assert told.count(f"| {photos.TRAINED} |") == told.count("| `cifar10-linear-analysis` |") == 2
    assert told.rstrip().endswith("8.2 (0.03).")
    assert (tmp_path / "all.svg").exists()


def test_rates_near_those_of_their_own_files_are_left_out(tmp_path):
    own = photos.Set("photos", [PHOTO], 1.0)
    made = {"one": {str(size): lambda photo, size=size: (b"x" * size, photo + 1) for size in (1000, 3801, 3803)}}
    found = photos.curves(made, own, tmp_path / "kept.json")
    assert [round(one.bits, 3) for one in found["one"]] == [0.237, 0.9]
    assert photos.curves({"one": dict.fromkeys(made["one"])}, own, tmp_path / "kept.json") == found
