from functools import partial

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from vector_quantize_pytorch import LFQ, VectorQuantize

from lossy_lightning.callbacks import BitWidthAudit, ComplexityMonitor
from lossy_lightning.codecs import PCM, VQ, VQVAE
from lossy_lightning.data import Digits
from lossy_lightning.nn import MLP, Bits, BlockDecoder, BlockEncoder
from lossy_lightning.tasks import ClassificationTask, JointTask

BACKBONE = partial(MLP, hidden_features=(32,))


def make_task(data, weight=0.0, quantizer=None, **kwargs):
    seed_everything(0, verbose=False)
    lfq = LFQ(dim=4, entropy_loss_weight=0.0, straight_through_activation=torch.nn.Hardtanh())
    codec = VQVAE(BlockEncoder((2, 2), 4, (16,)), quantizer or lfq, BlockDecoder((2, 2), 4, (16,)))
    return JointTask(data.spec, 10, codec, BACKBONE, weight, **kwargs)


def trainer(**kwargs):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    return Trainer(**{"max_epochs": 1, "enable_checkpointing": False, **quiet, **kwargs})


@pytest.fixture
def digits(cache_dir):
    return Digits(PCM(), cache_dir=cache_dir)


def batch(data):
    loader = data.train_dataloader()
    seed_everything(0, verbose=False)
    return next(iter(loader))


def encoder_gradients(task, data):
    task.train()
    _, loss = task.evaluate(batch(data), "train")
    task.zero_grad()
    loss.backward()
    return [parameter.grad.clone() for parameter in task.codec.encoder.parameters()]


def test_it_learns_and_a_fresh_network_learns_from_the_stored_codes(digits, cache_dir):
    adam = partial(torch.optim.Adam, lr=1e-2)
    task = make_task(digits, optimizer=adam)
    fit = trainer(max_epochs=12, callbacks=[BitWidthAudit()])
    fit.fit(task, digits)
    (tested,) = fit.test(task, digits, verbose=False)
    assert tested["test_acc"] > 0.8
    assert tested["test_psnr"] > 6  # the decoder learned too
    stored = Digits(task.codec, cache_dir=cache_dir)
    assert stored.spec.num_bits == 64
    seed_everything(1, verbose=False)
    fresh = ClassificationTask(stored.spec, 10, Bits, BACKBONE, optimizer=adam)
    fit = trainer(max_epochs=12)
    fit.fit(fresh, stored)
    assert fit.test(fresh, stored, verbose=False)[0]["test_acc"] > 0.75


def test_the_trained_classifier_works_on_stored_codes(digits, cache_dir):
    task = make_task(digits)
    trainer().fit(task, digits)
    stored = Digits(task.codec, cache_dir=cache_dir)
    code, target = next(iter(stored.test_dataloader()))
    signal, same = next(iter(digits.test_dataloader()))
    assert torch.equal(target, same)
    task.eval()
    assert torch.equal(task.backbone(Bits(stored.spec)(code)), task(signal))


def test_without_weight_the_decoder_learns_and_the_encoder_hears_nothing_of_it(digits):
    task, other = make_task(digits), make_task(digits)
    with torch.no_grad():
        for parameter in other.codec.decoder.parameters():
            parameter.mul_(2)
    for one, two in zip(encoder_gradients(task, digits), encoder_gradients(other, digits), strict=True):
        assert torch.equal(one, two)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in task.codec.decoder.parameters())


def test_with_weight_reconstruction_reaches_the_encoder(digits):
    plain, weighted = (encoder_gradients(make_task(digits, weight), digits) for weight in (0.0, 5.0))
    assert not any(map(torch.equal, plain, weighted))


def test_the_parts_costs_are_logged_side_by_side(digits):
    task = make_task(digits)
    monitor = ComplexityMonitor(parts=("stem.codec.encoder", "backbone"))
    (tested,) = trainer(callbacks=[monitor]).test(task, digits, verbose=False)
    assert tested["macs/encoder/32bit"] == 16 * (4 * 16 + 16 * 4)
    assert tested["macs/encoder/1bit"] == 0
    assert tested["macs/backbone/1bit"] == tested["macs/1bit"] == 64 * 32 + 32 * 10
    assert tested["macs/backbone/32bit"] == 0


def test_any_quantizer_is_a_bottleneck(digits):
    task = make_task(digits, quantizer=VectorQuantize(4, 16))
    assert task.stem.shape == (4, 4, 4)
    fit = trainer()
    fit.fit(task, digits)
    assert {"val_acc", "val_psnr", "val_perplexity", "train_perplexity"} <= set(fit.callback_metrics)


def test_mistakes(digits):
    with pytest.raises(ValueError, match="trained on samples as they are"):
        make_task(Digits(VQ((2, 2), 16)))
    with pytest.raises(ValueError, match="reconstruction_weight is a number of at least 0; got -1"):
        make_task(digits, weight=-1)
