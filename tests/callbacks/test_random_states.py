"""Random states in checkpoints, with a module and loaders that are nobody's of ours."""

import random

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader

from lossy_lightning.callbacks import RandomStates


class Noisy(LightningModule):
    """Draws from all generators in each step."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))

    def training_step(self, batch):
        noise = torch.rand(3) + random.random() + np.random.rand()
        return (self.weight * noise).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


class Drawing(Callback):
    """Draws as training starts, as some monitors do."""

    def on_train_start(self, trainer, pl_module):
        torch.rand(5)


def fit(tmp_path, name, max_epochs, ckpt_path=None, callbacks=(), seed=0):
    torch.manual_seed(seed)
    model = Noisy()
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    trainer = Trainer(
        accelerator="cpu", max_epochs=max_epochs, callbacks=[*callbacks], default_root_dir=tmp_path, **quiet
    )
    trainer.fit(model, DataLoader(list(range(4)), generator=torch.Generator()), ckpt_path=ckpt_path)
    trainer.save_checkpoint(tmp_path / f"{name}.ckpt")
    return model.weight.detach()


@pytest.mark.parametrize("others", [[], [Drawing()]], ids=["alone", "with others"])
def test_noise_goes_on(tmp_path, others):
    callbacks = [RandomStates(), *others]
    fit(tmp_path, "half", 1, callbacks=callbacks)
    checkpoint = tmp_path / "half.ckpt"
    states = torch.load(checkpoint, weights_only=True)["callbacks"]["RandomStates"]["ranks"]
    torch.set_rng_state(states[0]["torch"])
    random.setstate(states[0]["python"])
    first = fit(tmp_path, "one", 3, checkpoint, callbacks, seed=1)
    np.random.rand(3)
    assert torch.equal(first, fit(tmp_path, "two", 3, checkpoint, callbacks, seed=2))


def test_without_it_noise_is_another(tmp_path):
    fit(tmp_path, "half", 1)
    first, second = (fit(tmp_path, "rest", 2, tmp_path / "half.ckpt", seed=seed) for seed in (1, 2))
    assert not torch.equal(first, second)


def test_a_test_and_another_fit_draw_as_they_come(tmp_path):
    states = RandomStates()
    fit(tmp_path, "half", 1, callbacks=[states])
    states.load_state_dict(states.state_dict())
    first, second = (fit(tmp_path, "again", 1, callbacks=[states], seed=seed) for seed in (1, 2))
    assert not torch.equal(first, second)
