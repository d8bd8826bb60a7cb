"""Analyses beside the hyperprior: what they make, and the way to their table."""

import sys

import numpy as np
import pytest
import torch

from experiments.codecs import analyses
from experiments.codecs.adaptive import Adaptive, Mixed, PatchEncoder
from lossy_lightning.codecs import Hyperprior
from lossy_lightning.nn import GDNDecoder, GDNEncoder
from lossy_lightning.profiling import count_parameters
from tests.codecs.transform.images import smooth

IMAGES = smooth(20, 3, 32, 32)


def patches():
    return Hyperprior(PatchEncoder(), GDNDecoder(24, [32]), 24, 16, exact=False)


def test_a_transform_for_each_image_is_a_constant_field_of_code_and_file():
    codec = Adaptive(hidden=[8])
    with torch.no_grad():
        codec.encoder.numbers[2].bias += torch.arange(-4.0, 4)
    images = IMAGES[:2, :, :30]
    code, spec = codec.encode(images), codec.spec((3, 30, 32))
    told = spec.split(code)
    assert told["transform"].shape == (2, 8, 1, 1)
    assert told["transform"].any()
    assert spec.container_bits(code[0]) == 8 * (24 * 8 * 8 + 8)
    codec.update_tables()
    data = codec.write(code[0], (3, 30, 32))
    assert torch.equal(codec.read(data)[0], code[0])
    assert 8 * len(data) == pytest.approx(float(codec.eval()(images).bits[0].detach()), rel=0.1, abs=500)
    assert codec.decode(code, (3, 30, 32)).shape == images.shape


def test_numbers_of_nothing_transform_nothing():
    mixed, features = Mixed(4, 2), torch.randn(3, 4, 5, 5)
    assert torch.equal(mixed(features, torch.zeros(3, 2)), features)
    numbers = torch.tensor([[32.0, 0], [0, 32], [0, 0]])
    for i in range(2):
        expected = features[i] + torch.einsum("ij,jhw->ihw", mixed.matrices[i], features[i])
        torch.testing.assert_close(mixed(features, numbers)[i], expected)


def test_patches_attend_to_one_another():
    encoder, image = PatchEncoder(), torch.zeros(1, 3, 32, 32)
    other = image.clone()
    other[..., :4, :4] = 1
    assert ((encoder(other) - encoder(image)).abs().amax(1) > 0).all()


def test_all_have_as_many_parameters():
    beside = Hyperprior(GDNEncoder(24, [32]), GDNDecoder(24, [32]), 24, 16)
    for codec in (Adaptive(), patches()):
        assert sum(count_parameters(codec).values()) == pytest.approx(sum(count_parameters(beside).values()), rel=0.03)


def test_the_table(tmp_path, monkeypatch, capsys):
    (tmp_path / "images").mkdir()
    np.savez(tmp_path / "images" / "test.npz", images=IMAGES.numpy(), labels=np.arange(20) % 10)
    made = {run: patches() if run == "codecs_patches" else Adaptive() for run in analyses.CODECS.values()}
    monkeypatch.setattr(analyses, "trained", lambda run, *_: made[run].eval())
    monkeypatch.setattr(sys, "argv", ["analyses", "--folder", str(tmp_path)])
    analyses.main()
    assert capsys.readouterr().out.count("hyperprior |") == 3
