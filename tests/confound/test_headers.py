"""The header table against what wrote the files."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lossy_lightning.confound import header_table

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8))


def row(path: Path) -> Any:
    return header_table([path])[0]


def saved(path: Path, image: Image.Image = PHOTO, **options: Any) -> Any:
    image.save(path, **options)
    return row(path)


@pytest.mark.parametrize("quality", [1, 10, 50, 75, 95, 100])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_settings_of_jpeg_files(quality: int, subsampling: str, tmp_path: Path) -> None:
    found = saved(tmp_path / "a.jpg", quality=quality, subsampling=subsampling)
    assert (found["format"], found["width"], found["height"], found["components"]) == ("jpeg", 40, 24, 3)
    assert (found["quality"], found["subsampling"], found["huffman"]) == (quality, subsampling, "standard")
    assert (found["progressive"], found["scans"], found["restart_interval"]) == (0, 1, 0)
    assert found["bytes"] == (tmp_path / "a.jpg").stat().st_size


def test_the_rest_of_jpeg(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[271] = "a maker"
    found = saved(
        tmp_path / "a.jpg",
        exif=exif,
        icc_profile=b"profile",
        comment=b"words",
        optimize=True,
        restart_marker_blocks=3,
        qtables=[[17] * 64, [18] * 64],
    )
    names = ("exif", "icc", "comment", "jfif", "adobe", "xmp")
    assert [int(found[name]) for name in names] == [1, 1, 1, 1, 0, 0]
    assert (found["huffman"], found["restart_interval"], found["quality"]) == ("optimised", 3, -1)
    progressive = saved(tmp_path / "p.jpg", progressive=True)
    assert (progressive["progressive"], progressive["scans"]) == (1, 10)
    grey = saved(tmp_path / "g.jpg", PHOTO.convert("L"))
    assert (grey["subsampling"], grey["components"], grey["scans"]) == ("grey", 1, 1)
    cmyk = saved(tmp_path / "c.jpg", PHOTO.convert("CMYK"))
    assert (cmyk["components"], cmyk["adobe"]) == (4, 1)


def test_thumbnails_are_no_scans(tmp_path: Path) -> None:
    inner = io.BytesIO()
    PHOTO.save(inner, "JPEG", progressive=True)
    exif = b"Exif\0\0" + inner.getvalue()
    assert saved(tmp_path / "a.jpg", exif=exif)["scans"] == 1


def test_png(tmp_path: Path) -> None:
    found = saved(tmp_path / "a.png")
    assert (found["format"], found["width"], found["height"], found["components"]) == ("png", 40, 24, 3)
    assert (found["precision"], found["progressive"], found["icc"], found["comment"]) == (8, 0, 0, 0)
    deep = saved(tmp_path / "b.png", Image.fromarray(np.zeros((3, 5), np.uint16)), icc_profile=b"profile")
    assert (deep["precision"], deep["components"], deep["icc"]) == (16, 1, 1)
    assert deep["segments"] != found["segments"]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("a.wav", {"subtype": "PCM_16"}, {"format": "wav", "precision": 16}),
        ("a.wav", {"subtype": "PCM_24"}, {"format": "wav", "precision": 24}),
        ("a.flac", {"subtype": "PCM_16"}, {"format": "flac", "precision": 16}),
        ("a.ogg", {"format": "OGG", "subtype": "VORBIS"}, {"format": "vorbis"}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}, {"format": "opus", "encoder_delay": 312}),
    ],
)
def test_sounds(name: str, options: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    tone = 0.3 * np.sin(np.arange(2 * 8000).reshape(8000, 2) / 20)
    soundfile.write(tmp_path / name, tone, 16_000, **options)
    found = row(tmp_path / name)
    assert found["error"] == ""
    told = {"samples": 8000, "sample_rate": 16_000, "channels": 2} | expected
    told["samples"] *= 3 if expected["format"] == "opus" else 1  # Opus counts at 48 kHz
    del told["samples" if expected["format"] == "opus" else "channels"]
    assert {key: found[key] for key in told} == told


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (48_000, 1), (22_050, 2), (16_000, 1), (8_000, 1)])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_mp3(rate: int, channels: int, mode: str, tmp_path: Path) -> None:
    tone = np.random.default_rng(0).uniform(-0.3, 0.3, (2 * rate, channels))
    soundfile.write(tmp_path / "a.mp3", tone, rate, format="MP3", bitrate_mode=mode, compression_level=0.5)
    found = row(tmp_path / "a.mp3")
    assert (found["format"], found["sample_rate"], found["channels"]) == ("mp3", rate, channels)
    assert found["variable_rate"] == (mode == "VARIABLE")
    assert (found["bit_rate"] == 0) == (mode == "VARIABLE")
    assert found["samples"] == pytest.approx(2 * rate, abs=2 * 1152 + 2000)
    if mode == "CONSTANT":
        bits = 8 * found["bytes"] / (found["samples"] / rate)
        assert found["bit_rate"] == pytest.approx(bits, rel=0.1)


def test_tags_of_mp3(tmp_path: Path) -> None:
    tone = np.zeros(16_000)
    soundfile.write(tmp_path / "a.mp3", tone, 44_100, format="MP3")
    data = (tmp_path / "a.mp3").read_bytes()
    size = 300
    tag = b"ID3\x04\0\0" + bytes([0, 0, size >> 7, size & 127]) + bytes(size)
    (tmp_path / "b.mp3").write_bytes(tag + data)
    plain, tagged = row(tmp_path / "a.mp3"), row(tmp_path / "b.mp3")
    assert (plain["id3"], tagged["id3"]) == (0, 1)
    assert plain["encoder_delay"] == tagged["encoder_delay"] > 0
    assert plain["encoder_tag"] == 1


def test_a_table_has_a_row_for_each_file_whatever_is_in_it(tmp_path: Path) -> None:
    contents = {
        "empty": b"",
        "text": b"hello",
        "png": b"\x89PNG\r\n\x1a\n",
        "wav": b"RIFF" + struct.pack("<I", 4) + b"WAVE",
        "flac": b"fLaC",
        "ogg": b"OggS",
        "mp3": b"ID3" + bytes(20),
        "jpeg": b"\xff\xd8\xff",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    table = header_table([*(tmp_path / name for name in contents), tmp_path / "missing", tmp_path])
    assert len(table) == 10
    assert all(table["error"])
    assert set(table["format"]) == {""}
    assert len(header_table([])) == 0


@given(
    st.sampled_from([b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFFxxxxWAVE", b"fLaC", b"OggS", b"ID3", b"\xff\xfb"]),
    st.binary(),
)
def test_no_bytes_make_it_fail(magic: bytes, content: bytes) -> None:
    from lossy_lightning.confound.headers import _rows

    class Given:
        def read_bytes(self) -> bytes:
            return magic + content

    (found,) = _rows([Given()])
    assert isinstance(found, (str, dict))
