"""What a drift monitor counts, on modules and data of other people and of ours."""

import warnings

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from lossy_lightning.callbacks import DriftMonitor
from lossy_lightning.codecs import JPEG, PCM, Decoded
from lossy_lightning.core import Codec, CodeSpec
from lossy_lightning.data import EncodedDataModule
from tests.callbacks.foreign import Foreign, loader


class Darker(Codec):
    """Pixels less a number."""

    idempotent = False

    def __init__(self, by=0):
        self.by = by

    def encode(self, signal):
        return (signal.int() - self.by).clamp(0, 255).to(torch.uint8)

    def decode(self, code, shape=None):
        return code

    def spec(self, shape):
        return CodeSpec.uniform(shape, 0, 255, ordinal=True)


class Levels(nn.Module):
    """Says of an image in [0, 1] whether it is dark, grey or bright, by its mean; has a state of its own."""

    def __init__(self):
        super().__init__()
        self.noise = nn.Dropout(0.9)
        self.seen = 0

    def forward(self, images):
        self.seen += 1
        mean = self.noise(images.float()).flatten(1).mean(1, keepdim=True)
        return -(mean - torch.tensor([[0.0, 0.5, 1.0]])).abs()


class Images(EncodedDataModule):
    """Images of our own datamodule."""

    signal_shape = (1, 2, 2)
    num_classes = 3
    classes = ("dark", "grey", "bright")

    def signals(self, split):
        return IMAGES if split == "test" else None


class Reader(LightningModule):
    """Reads pixels of 0 to 255."""

    def __init__(self):
        super().__init__()
        self.network = Levels()

    def forward(self, code):
        return {"logits": self.network(code / 255)}

    def test_step(self, batch, batch_idx):
        self.log("seen", float(self.network.seen))


VALUES = torch.tensor([0, 10, 120, 130, 150, 250, 255, 240])
IMAGES = TensorDataset(
    VALUES.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2), torch.tensor([0, 0, 1, 1, 1, 2, 2, 2])
)
CODECS = {"as it is": Darker(), "darker": Darker(100)}
COUNTS = {
    "as it is": [[2, 0, 0], [0, 3, 0], [0, 0, 3]],
    # 120, 130 and 150 become 20, 30 and 50, and 240 to 255 become 140 to 155
    "darker": [[2, 0, 0], [3, 0, 0], [0, 3, 0]],
}


def measured(monitor, module, data, **arguments):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = Trainer(callbacks=[monitor], enable_checkpointing=False, **quiet, **({"logger": False} | arguments))
    trainer.test(module, data, verbose=False)
    return {name: value.item() for name, value in trainer.callback_metrics.items() if name.startswith("drift/")}


def scaled(model, code):
    return model(code / 255)


@pytest.mark.parametrize("batch_size", [3, 256])
def test_a_foreign_module_is_tested_on_signals_given(batch_size):
    monitor = DriftMonitor(CODECS, IMAGES, batch_size, forward_fn=scaled)
    module = Foreign(Levels())
    logged = measured(monitor, module, DataLoader(IMAGES, 4), limit_test_batches=1)
    assert {name: counts.tolist() for name, counts in monitor.counts.items()} == COUNTS
    assert logged == pytest.approx(
        {
            "drift/as it is/accuracy": 1.0,
            "drift/as it is/excess": 0.0,
            "drift/darker/accuracy": 2 / 8,
            "drift/darker/excess": 3 / 8,
        }
    )
    assert module.network.seen == 1  # as the test left it


def test_our_datamodules_give_signals_and_names_of_classes(tmp_path):
    monitor = DriftMonitor(CODECS)
    logger = CSVLogger(tmp_path)
    measured(monitor, Reader(), Images(PCM(), tmp_path, tmp_path, batch_size=4), logger=logger)
    assert {name: counts.tolist() for name, counts in monitor.counts.items()} == COUNTS
    (table,) = (tmp_path / "lightning_logs").rglob("*.md")
    assert "| darker | 25.00 % | dark, 37.50 % |" in table.read_text()


class Stream(IterableDataset):
    """Images of two sizes."""

    def __iter__(self):
        for value, size in ((0, 2), (130, 3), (255, 3)):
            yield torch.full((1, size, size), value, dtype=torch.uint8), value // 120


def test_streams_of_signals_of_several_sizes():
    monitor = DriftMonitor({"one": PCM()}, Stream(), forward_fn=scaled)
    measured(monitor, Foreign(Levels()), DataLoader(IMAGES, 4))
    assert torch.equal(monitor.counts["one"], torch.eye(3).long())


def test_jpeg_qualities_of_pixels_and_codes(tmp_path):
    class Photos(Images):
        signal_shape = (3, 16, 16)

        def signals(self, split):
            noise = torch.randint(0, 256, (5, 3, 16, 16), generator=torch.Generator().manual_seed(0))
            return TensorDataset(noise.to(torch.uint8), torch.zeros(5).long()) if split == "test" else None

    for make in (JPEG, lambda quality: Decoded(JPEG(quality))):
        monitor = DriftMonitor({f"q{quality}": make(quality) for quality in (10, 95)})
        measured(monitor, Reader(), Photos(make(50), tmp_path, tmp_path))
        assert [int(counts.sum()) for counts in monitor.counts.values()] == [5, 5]


def test_without_signals_it_warns_once():
    monitor = DriftMonitor(CODECS)
    with pytest.warns(UserWarning, match="measures nothing: it needs signals to encode.*; got loaders"):
        assert measured(monitor, Foreign(), loader()) == {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        monitor.on_test_epoch_end(Trainer(logger=False, accelerator="cpu"), Foreign())
    assert monitor.counts == {}


class Values(Dataset):
    """Images, and numbers to regress."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return torch.zeros(1, 2, 2, dtype=torch.uint8), 0.5


def test_what_is_no_classifier_is_an_error():
    with pytest.raises(MisconfigurationException, match=r"DriftMonitor counts classes.*gave \(2, 3\).*0.5"):
        measured(DriftMonitor(CODECS, Values(), forward_fn=scaled), Foreign(Levels()), DataLoader(IMAGES, 4))


@pytest.mark.parametrize("codecs", [{}, None, {"q10": JPEG}, {10: JPEG(10)}, [JPEG(10)]])
def test_mistakes(codecs):
    with pytest.raises(ValueError, match=r"codecs names one or more codecs, such as .*; got"):
        DriftMonitor(codecs)
    with pytest.raises(ValueError, match="batch_size"):
        DriftMonitor(CODECS, batch_size=0)
