"""The study of codecs out of distribution, on made-up figures and signals."""

import io
import shutil

import numpy as np
import pytest
import soundfile
import torch

from experiments.out_of_distribution import coders, material, origins, resampled
from experiments.out_of_distribution.tables import (
    Curve,
    breaks,
    compared,
    curve,
    draw,
    excess,
    image_rows,
    interval,
    nested,
    origin_rows,
    resampled_rows,
    sound_rows,
)

TONE = (8000 * torch.sin(torch.arange(16_000) * 0.2)).to(torch.int16)[None]


def run(rates, groups, offset=0.0):
    """A run whose measures rise with its rate."""
    measures = ("cosine", "top_1", "top_5", "log_spectral_distance", "si_sdr", "psnr", "ssim")
    return {
        "groups": groups,
        "settings": {
            f"{rate:g}": {"bits_per_sample": [rate / 16] * len(groups)}
            | {name: [np.log2(rate) / 10 + offset + i / 100 for i in range(len(groups))] for name in measures}
            for rate in rates
        },
    }


FOUND = {
    ("sound", family, kind): run(rates, groups, offset if kind == "music" else 0.0)
    for family, rates, offset in (("Lyra", (3.2, 6, 9.2), 0.0), ("Opus", (5, 10, 20), 0.2))
    for kind, groups in (("speech", list("abcd")), ("surroundings", list("xxyy")), ("music", list("zzww")))
}


def test_curves_are_read_between_settings_and_nowhere_else():
    own = curve(FOUND, "sound", "Lyra", "speech", "cosine")
    np.testing.assert_allclose(own.at(8 / 16), 0.3 + np.arange(4) / 100)
    np.testing.assert_allclose(own.at(3.2 / 16), own.values[0])
    assert own.at(3 / 16) is None
    assert own.at(10 / 16) is None
    assert Curve(np.array([1.0]), np.zeros((1, 4)), list("abcd")).at(1.0) is not None
    assert curve(FOUND, "sound", "MP3", "speech", "cosine") is None


def test_lyra_is_compared_only_where_others_reach():
    rows = compared(FOUND)
    assert [row[:2] for row in rows[1::2]] == [["Opus", "6"], ["Opus", "9.2"]]
    by_title = dict(zip(rows[0], rows[1], strict=True))
    assert by_title["speech"].startswith("+0.00")
    assert by_title["music less speech"].startswith("-0.20")


def test_intervals_draw_groups_and_what_is_in_them():
    values = np.array([0.0, 0.0, 1.0, 1.0])
    assert nested(values, list("xxyy")).tolist() == [[0, 0], [1, 1]]
    assert nested(values, list("abcd")).shape == (1, 4)
    assert interval(values, list("xxyy")).low == 0
    assert excess(values, list("xxyy"), np.ones(3)).mean == -0.5


def test_tables_have_a_row_for_each_setting():
    assert [row[1] for row in sound_rows(FOUND)[1:]] == ["3.2", "6.0", "9.2", "5.0", "10.0", "20.0"]
    assert [row[0] for row in breaks(FOUND)[1:]] == ["speech (4)", "x (2)", "y (2)", "z (2)", "w (2)"]
    images = {("images", "JPEG", "kodak"): run((1, 2), list("ab"))}
    assert [row[2] for row in image_rows(images)[1:]] == ["0.19", "0.38"]
    rates = {("resampled", "log-mel", str(fold)): {"16000": 90.0, "12000": 80.0, "8000": 70.0} for fold in range(2)}
    before = {("origins", "sound", "speech"): run((1, 2), list("ab"))}
    assert [row[:2] for row in origin_rows(before)[1:]] == [["speech", "1"], ["speech", "2"]]
    assert resampled_rows(rates)[1] == ["log-mel", "90.0", "80.0", "70.0", "-20.00 (-20.00 to -20.00)"]


def test_a_picture_has_a_curve_for_each_codec(tmp_path):
    draw(FOUND, tmp_path)
    assert (tmp_path / "out_of_distribution.svg").stat().st_size > 1000


def test_packets_of_ogg_are_counted():
    file = io.BytesIO()
    soundfile.write(file, TONE[0].numpy(), 16_000, format="OGG", subtype="OPUS")
    sizes = list(coders.packets(file.getvalue()))
    assert len(sizes) >= 52  # two headers, 50 packets of 20 ms
    assert sum(sizes) < len(file.getvalue())
    with pytest.raises(ValueError, match="begins with 'OggS'"):
        list(coders.packets(b"RIFF" + bytes(40)))


@pytest.mark.parametrize("coder", [coders._ogg("OPUS", 0.96), coders._ogg("VORBIS", 0.6), coders._mp3(32)])
def test_sound_comes_back_in_place(coder):
    left, bits = coder(TONE)
    assert left.shape == TONE.shape
    assert left.dtype == torch.int16
    assert 5000 < bits < 100_000
    assert torch.corrcoef(torch.cat([left, TONE]).float())[0, 1] > 0.95


@pytest.mark.skipif(not shutil.which("c2enc"), reason="needs the programs of Codec2")
def test_codec2_keeps_the_length():
    left, bits = coders._codec2(3200)(TONE)
    assert left.shape == TONE.shape
    assert bits == 3200


def test_images_come_back():
    image = torch.arange(3 * 64 * 48).view(3, 64, 48).div(40).to(torch.uint8)
    for family in coders.image_coders().values():
        sizes = []
        for coder in family.values():
            left, bits = coder(image)
            assert left.shape == image.shape
            sizes.append(bits)
        assert sizes == sorted(sizes)


def test_made_music_is_the_same_each_time_and_of_five_styles(monkeypatch):
    monkeypatch.setattr(material, "PER_STYLE", 1)
    first, again = material.music(), material.music()
    assert first.groups == [*material.STYLES]
    assert all(sound.shape == (1, 80_000) for sound in first.signals)
    assert all(torch.equal(*pair) for pair in zip(first.signals, again.signals, strict=True))


def test_nothing_is_left_above_the_lower_rate():
    noise = (1000 * torch.randn(2, 1, 16_000, generator=torch.Generator().manual_seed(0))).to(torch.int16)
    for rate in (8_000, 12_000):
        power = torch.fft.rfft(resampled.through(noise, rate).double()).abs().square().mean((0, 1))
        cut = round(1.1 * rate / 2)
        assert power[cut:].mean() < 0.01 * power[:2000].mean()
    assert torch.equal(resampled.through(noise, 16_000), noise)


def test_signals_of_lower_origin_keep_their_shape():
    found = origins.origins()
    left, bits = found["sound"]["8 kHz"](TONE)
    assert left.shape == TONE.shape
    assert bits == 8_000 * 16
    image = torch.full((3, 30, 42), 200, dtype=torch.uint8)
    left, bits = found["images"]["0.5 of the size"](image)
    assert torch.equal(left, image)
    assert bits == 3 * 15 * 21 * 8
