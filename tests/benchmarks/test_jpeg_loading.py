"""The comparison of loaders, on a few files."""

import pytest
import torch

from benchmarks.speed import jpeg_loading
from benchmarks.speed.gpu_steps import make_folder
from lossy_lightning.codecs import JPEG


@pytest.mark.parametrize("codec", [JPEG(75), JPEG(dequantize=True)], ids=["levels", "dequantized"])
def test_each_decoder_has_a_row(tmp_path, codec):
    torch.manual_seed(0)
    make_folder(tmp_path, 10, 64, 80)
    rows = list(jpeg_loading.compare("made up", codec, tmp_path, 32, 0, 1))
    assert [row[4] for row in rows][:2] == ["torchvision", "simplejpeg"]
    for row in rows:
        files, crop, workers, ours, _, theirs, their_workers, ratio = row
        assert (files, crop, workers, their_workers) == ("made up", "32", "0", "none")
        assert float(ours) / float(theirs) == pytest.approx(float(ratio), abs=0.02)


def test_photos_are_copied_into_two_classes(tmp_path, monkeypatch):
    make_folder(tmp_path / "made", 10, 248, 256)
    photos = tmp_path / "imagenet_samples"
    photos.mkdir()
    for path in (tmp_path / "made").rglob("*.jpg"):
        path.rename(photos / f"{path.parent.parent.name}{path.stem}.JPEG")
    monkeypatch.setenv("LOSSY_DATA", str(tmp_path))
    jpeg_loading.photo_folder(tmp_path / "folder")
    loader = jpeg_loading.code_loader(JPEG(dequantize=True), tmp_path / "folder", 224, 2)
    assert sum(len(batch) for batch, _ in loader) == len(loader.dataset) == 72
