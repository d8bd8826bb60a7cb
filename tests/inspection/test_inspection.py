"""What files are said to hold, against how they were written."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image, JpegImagePlugin

from lossy_lightning.cli import main
from lossy_lightning.codecs import (
    JPEG,
    MDCT,
    MP3,
    PCM,
    VQ,
    BandShapes,
    DeadZone,
    HEVCQuantizer,
    HEVCTransform,
    MelSpectrogram,
    Psychoacoustic,
    TransformCodec,
    Uniform,
    Wavelet,
)
from lossy_lightning.inspection import as_text, describe, draw, open_file, write_page
from lossy_lightning.inspection.picture import _laid_out

UNFITTED = ["--codec.block", "[2,2]", "--codec.levels", "4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A photo of 40 x 24 pixels as JPEG and PNG, and a second of sound as MP3 and WAV."""
    made = tmp_path_factory.mktemp("files")
    pixels = np.random.default_rng(0).integers(0, 255, (24, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(made / "photo.jpg", quality=70, subsampling="4:2:2", progressive=True, comment=b"hi")
    Image.fromarray(pixels[..., 0]).save(made / "grey.jpg", quality=70)
    Image.fromarray(pixels).save(made / "photo.png")
    sound = (8000 * np.sin(np.arange(16_000) * 0.1)).astype(np.int16)
    soundfile.write(made / "sound.wav", sound, 16_000)
    codec = MP3(32, 16_000)
    code = codec.encode(torch.from_numpy(sound)[None])
    (made / "sound.mp3").write_bytes(codec.write(code, (1, 16_000)))
    return made


def run(*arguments):
    try:
        main([str(each) for each in arguments])
    except SystemExit as end:
        return str(end.code)
    return None


def test_a_jpeg_file(folder):
    told = describe(folder / "photo.jpg")
    assert (told["width"], told["height"], told["subsampling"], told["quality"]) == (40, 24, "4:2:2", 70)
    assert told["progressive"]
    assert told["metadata"] == ["comment", "jfif"]
    with Image.open(folder / "photo.jpg") as opened:
        assert JpegImagePlugin.get_sampling(opened) == 1  # Pillow's number of 4:2:2
        luma = opened.quantization[0]
    assert np.ravel(told["quantization_tables"]["luma"]).tolist() == list(luma)
    assert told["bits_per_pixel"] == 8 * (folder / "photo.jpg").stat().st_size / (40 * 24)
    codec = JPEG(chroma_subsampling="4:2:2", tables=True)
    spec = codec.spec((3, 24, 40))
    assert told["code"]["shape"] == list(spec.shape)
    assert told["code"]["container_bits"] == spec.num_bits
    assert told["code"]["codec"] == "JPEG(chroma_subsampling='4:2:2', tables=True)"


def test_the_signal_is_what_libjpeg_decodes(folder):
    with Image.open(folder / "photo.jpg") as opened:
        assert np.array_equal(open_file(folder / "photo.jpg").decode().permute(1, 2, 0).numpy(), np.array(opened))


def test_a_grey_jpeg_file(folder):
    assert [field["name"] for field in describe(folder / "grey.jpg")["code"]["fields"]] == ["luma", "luma_table"]


def test_an_mp3_file(folder):
    told = describe(folder / "sound.mp3")
    assert (told["format"], told["sample_rate"], told["channels"], told["bit_rate"]) == ("mp3", 16_000, 1, 32_000)
    assert told["code"]["fields"][0]["name"] == "levels"


def test_a_file_that_no_codec_reads_is_told_by_its_headers(folder):
    assert "code" not in describe(folder / "photo.png")
    assert describe(folder / "sound.wav")["duration"] == 1


def test_another_codec_encodes_what_is_decoded(folder):
    with Image.open(folder / "photo.png") as opened:
        pixels = torch.from_numpy(np.array(opened)).permute(2, 0, 1)
    codec = VQ(block=(2, 2), levels=4)
    codec.fit([pixels[None]])
    assert torch.equal(open_file(folder / "photo.png", codec).code, codec.encode(pixels))
    assert open_file(folder / "sound.wav", MP3(32, 16_000)).shape == (1, 16_000)
    assert describe(folder / "photo.png", PCM())["code"]["container_bits"] == 3 * 24 * 40 * 8


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("photo.jpg", None),
        ("grey.jpg", None),
        ("sound.mp3", None),
        ("photo.png", PCM()),
        ("photo.png", TransformCodec(Wavelet(2), DeadZone(1.0))),
        ("photo.png", TransformCodec(HEVCTransform(16), HEVCQuantizer(27, 16))),
        ("sound.wav", MP3(32, 16_000)),
        ("sound.wav", TransformCodec(MDCT(256), Psychoacoustic(256, 16_000))),
        ("sound.wav", TransformCodec(MDCT(256), BandShapes(256, 16_000))),
        ("sound.wav", TransformCodec(MelSpectrogram(), Uniform(8, -7.0, 5.0))),
    ],
)
def test_pictures(folder, tmp_path, name, codec):
    file = open_file(folder / name, codec)
    with Image.open(io.BytesIO(draw(file))) as picture:
        assert min(picture.size) > 300
    write_page(tmp_path / "page.html", file, as_text(describe(folder / name, codec)))
    assert f"<h1>{name}</h1>" in (tmp_path / "page.html").read_text()


def test_blocks_of_any_size_lie_as_the_image_does(folder):
    codec = TransformCodec(HEVCTransform(4, chroma_subsampling="4:4:4"), HEVCQuantizer(20, 4))
    file = open_file(folder / "photo.png", codec)
    luma = file.spec.split(file.code)["luma"]
    drawn = _laid_out(file.spec.field("luma"), luma)
    assert drawn.shape == (24, 40)
    assert np.array_equal(drawn[4:8, 12:16], luma[:, 1, 3].view(4, 4).numpy())


def test_the_commands(folder, tmp_path, capsys):
    assert run("info", folder / "photo.jpg", folder / "sound.mp3", "--json") is None
    assert [told["format"] for told in json.loads(capsys.readouterr().out)] == ["jpeg", "mp3"]
    assert run("info", folder / "photo.jpg") is None
    assert "subsampling        4:2:2" in capsys.readouterr().out
    assert run("show", folder / "photo.png", "--codec", "PCM", "--output", tmp_path / "a.png") is None
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


NESTED = ["info", "photo.png", "--codec", "TransformCodec", "--codec.analysis", "Wavelet"]
NESTED += ["--codec.analysis.levels", "3", "--codec.quantizer", "DeadZone", "--codec.quantizer.step", "1"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["info", "none.jpg"], "none.jpg is not there; name a file"),
        (["info", "."], ". is a folder; name a file"),
        (["info", "text.jpg"], "text.jpg: it is no JPEG, PNG, MP3, WAV, FLAC, Ogg Vorbis or Opus file"),
        (["info", "cut.jpg"], "cut.jpg: "),
        (["info", "text.jpg", "--codec", "PCM"], "text.jpg cannot be read: it is no image that Pillow knows"),
        (["info", "text.jpg", "--codec", "VQQ"], "did you mean 'VQ'?"),
        (
            ["info", "text.jpg", "--codec", "VQ", "--codec.block", "[2,2]", "--codec.levels", "4"],
            "VQ is fitted to data first",
        ),
        (["show", "photo.png", "--output", "a.png"], "photo.png is neither a JPEG nor an MP3 file"),
        (["show", "photo.png", "--output", "a.gif"], "--output is a.gif; a picture is a file that ends in .png or"),
        (["show", "photo.png"], "needs output"),
        (
            ["info", "photo.png", "--codec", "Wavelet"],
            "codec is 'Wavelet', which names no class that fits; it is a part of TransformCodec, so give that, with it",
        ),
        (["info", "photo.png", "--codec", "MuLaw"], "it is a part of Companded, so give that, with it as an argument"),
        ([*NESTED, "--codec.analysis.levels", "99"], "Wavelet has 1 to 6 levels, by '9/7' or '5/3'; got levels=99"),
        ([*NESTED, "--codec.analysis.levels", "x"], "codec.analysis.levels is 'x'; it takes int"),
        ([*NESTED, "--codec.quantizer.step", "1e-40"], "step is a number from 1e-30 to 1e+28; got 1e-40"),
    ],
)
def test_mistakes_are_one_sentence(folder, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    Path("text.jpg").write_text("no picture")
    Path("cut.jpg").write_bytes((folder / "photo.jpg").read_bytes()[:300])
    Path("photo.png").write_bytes((folder / "photo.png").read_bytes())
    sentence = run(*arguments)
    assert sentence is not None
    assert told in sentence
    assert "\n" not in sentence
    assert not Path("a.png").exists()
