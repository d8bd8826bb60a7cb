"""What a datamodule says of arguments and data that do not fit."""

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel

from lossy_lightning.augmentation import BitFlip, Chain, PixelFlip
from lossy_lightning.codecs import PCM
from lossy_lightning.core import InputError, UserError
from lossy_lightning.data import Digits, EncodedDataModule


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": "8"}, "batch_size is a whole number of at least 1; got '8'"),
        ({"num_workers": -1}, "num_workers is a whole number of at least 0; got -1"),
        ({"val_fraction": "half"}, "val_fraction is a number from 0 to 1, but not 1; got 'half'"),
        ({"seed": 1.5}, "seed is a whole number of at least 0; got 1.5"),
        ({"transform": "flip"}, "transform is a module or function of a signal; got 'flip'"),
        ({"augmentation": "BitFlip"}, "augmentation must be a module, such as .*; got 'BitFlip'"),
    ],
)
def test_arguments_of_another_kind(arguments, message):
    with pytest.raises(InputError, match=message):
        Digits(PCM(), **arguments)


class Unnumbered(EncodedDataModule):
    signal_shape = (1, 4, 4)

    def signals(self, split):
        return None if split == "val" else [(torch.zeros(self.signal_shape, dtype=torch.uint8), self.target())] * 4

    def target(self):
        return 0


def test_a_number_of_classes_that_is_not_stated(cache_dir):
    data = Unnumbered(PCM(), cache_dir=cache_dir)
    assert not hasattr(data, "num_classes")
    with pytest.raises(
        UserError, match="Unnumbered does not state its number of classes; set num_classes in the class"
    ):
        _ = data.num_classes
    data.num_classes = 2
    assert data.num_classes == 2


class Masks(Unnumbered):
    def target(self):
        return torch.zeros(4, 4, dtype=torch.long)


class Model(BoringModel):
    def training_step(self, batch, batch_idx):
        return self.layer(torch.zeros(1, 32)).sum()


@pytest.mark.parametrize(
    ("kind", "augmentation", "refused"),
    [
        (Masks, Chain([BitFlip(0.1, 8), PixelFlip()]), True),
        (Masks, BitFlip(0.1, 8), False),
        (Unnumbered, PixelFlip(), False),
    ],
)
def test_targets_by_place_are_not_left_behind(cache_dir, kind, augmentation, refused):
    data = kind(PCM(), cache_dir=cache_dir, augmentation=augmentation, val_fraction=0)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    trainer = Trainer(max_steps=1, limit_val_batches=0, enable_model_summary=False, **quiet)
    if refused:
        with pytest.raises(
            MisconfigurationException, match=r"PixelFlip moves codes, but not their targets, .*\(4, 4, 4"
        ):
            trainer.fit(Model(), data)
    else:
        trainer.fit(Model(), data)
