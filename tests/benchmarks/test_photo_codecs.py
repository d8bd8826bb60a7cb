"""Trained codecs beside the standards on photos."""

import sys

import numpy as np
import pytest
from PIL import Image

from benchmarks.accuracy import photo_codecs
from benchmarks.accuracy.photo_codecs import Point, at, pillow, point
from tests.codecs.transform.images import smooth

PHOTO = smooth(1, 3, 64, 96)[0].permute(1, 2, 0).numpy()


def test_sizes_are_of_files_and_distortion_is_of_pixels():
    found = point(lambda photo: (b"x" * 768, photo + 2), [PHOTO // 2, PHOTO // 2])
    assert found == (1.0, pytest.approx(20 * np.log10(255 / 2)))
    data, decoded = pillow({"format": "JPEG", "quality": 90})(PHOTO)
    assert data[:2] == b"\xff\xd8"
    assert np.abs(decoded.astype(int) - PHOTO).mean() < 3


def test_curves_are_read_between_their_points_alone():
    curve = [Point(4.0, 40.0), Point(1.0, 30.0)]
    assert [at(curve, bits) for bits in (0.5, 2.0, 4.0, 8.0)] == ["", "35.0", "40.0", ""]


def test_the_table_and_the_picture(tmp_path, monkeypatch, capsys):
    (tmp_path / "kodak").mkdir()
    Image.fromarray(PHOTO).save(tmp_path / "kodak" / "a.png")
    monkeypatch.setenv("LOSSY_DATA", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["photo_codecs", "--draw", str(tmp_path / "all.svg")])
    photo_codecs.main()
    assert "| `cifar10-linear-analysis` |" in capsys.readouterr().out
    assert (tmp_path / "all.svg").exists()
