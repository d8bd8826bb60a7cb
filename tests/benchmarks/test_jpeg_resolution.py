"""The study of resolution: what networks are tested on."""

import pytest

from benchmarks.accuracy.jpeg_resolution import test_data as resized_data


@pytest.mark.parametrize("in_pixels", [False, True])
@pytest.mark.parametrize("size", [96, 224])
def test_coefficients_keep_the_size_of_their_files_and_pixels_that_of_training(
    size, in_pixels, tiny_data, tmp_path, monkeypatch
):
    monkeypatch.setenv("LOSSY_DATA", str(tiny_data))
    data = resized_data(size, in_pixels, tmp_path)
    code, *_ = next(iter(data.test_dataloader()))
    assert code.shape[2:] == ((224, 224) if in_pixels else (size // 16, size // 16))
