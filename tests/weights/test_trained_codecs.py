"""Files of trained codecs, and those that the package ships."""

import pytest
import torch

from lossy_lightning import weights
from lossy_lightning.codecs import Hyperprior
from lossy_lightning.deploy.runtime.file import write_file
from lossy_lightning.nn import GDNDecoder, GDNEncoder
from lossy_lightning.weights.trained_codecs import FOLDER, KIND, read_codec, write_codec

NETWORK = {"dim": 12, "hidden": [8]}
MADE = {
    "class": "lossy_lightning.codecs.Hyperprior",
    "arguments": {
        "encoder": {"class": "lossy_lightning.nn.GDNEncoder", "arguments": NETWORK},
        "decoder": {"class": "lossy_lightning.nn.GDNDecoder", "arguments": NETWORK},
        "dim": 12,
        "hyper_dim": 8,
    },
}
IMAGES = torch.randint(0, 256, (2, 3, 32, 48), dtype=torch.uint8)


def test_a_codec_comes_back_and_reads_the_files_of_the_first(tmp_path):
    codec = Hyperprior(GDNEncoder(12, [8]), GDNDecoder(12, [8]), 12, 8)
    codec.update_tables()
    write_codec(tmp_path / "file", codec, MADE)
    found = read_codec(tmp_path / "file")
    code = codec.encode(IMAGES)
    assert torch.equal(found.encode(IMAGES), code)
    assert not found.training
    data = found.write(code[0], (3, 32, 48))
    assert data == read_codec(tmp_path / "file").write(code[0], (3, 32, 48))
    assert torch.equal(found.read(data)[0], code[0])


def test_other_files_are_refused(tmp_path):
    plain = {"class": "lossy_lightning.codecs.PCM", "arguments": {}, "state": {}}
    for told, message in (({"layout": 2}, "install that version"), ({"layout": 1}, "no codec that was trained")):
        write_file(tmp_path / "file", told | {"version": "9", "codec": plain}, {}, KIND)
        with pytest.raises(ValueError, match=message):
            read_codec(tmp_path / "file")
    with pytest.raises(ValueError, match="there is no codec 'x'"):
        weights.load_codec("x")


@pytest.mark.parametrize("name", weights.list_codecs())
def test_what_is_shipped_codes_images_and_files(name):
    codec, card = weights.load_codec(name)
    assert card.bytes == (FOLDER / f"{name}.safetensors").stat().st_size
    assert f"{card.psnr:.2f} dB" in str(card)
    image = torch.arange(48).mul(5)[None, None].expand(3, 32, 48).to(torch.uint8)
    code = codec.encode(image)
    error = (codec.decode(code, (3, 32, 48)).float() - image).square().mean()
    assert error < 100
    assert torch.equal(codec.read(codec.write(code, (3, 32, 48)))[0], code)


def test_together_they_are_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 4_000_000
