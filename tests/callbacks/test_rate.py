import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, Dataset

from lossy_lightning.callbacks import RateMonitor
from lossy_lightning.callbacks.rate import count_values
from lossy_lightning.codecs import JPEG, PCM
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.data import EncodedDataModule

from .foreign import Foreign, loader


class Reader(LightningModule):
    """Looks at no code."""

    def test_step(self, batch: Any, batch_idx: int) -> None:
        pass


class Codes(EncodedDataModule):
    """Given codes: channel 0 takes 0 to 3, channel 1 is 5 or 6."""

    signal_shape = (1, 4)
    examples: Any = ()
    sizes: Any = None

    @property
    def spec(self) -> CodeSpec:
        return CodeSpec([Field("code", (0, 5), (3, 6), ordinal=False)], (2 if self.sizes is None else None,))

    def codes(self, split: str) -> Dataset[Any] | None:
        return list(zip(self.examples, range(len(self.examples)), strict=True)) if split == "test" else None


def measured(data: Any, module: LightningModule | None = None) -> dict[str, float]:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    trainer = Trainer(callbacks=[RateMonitor()], enable_checkpointing=False, **quiet)
    trainer.test(module or Reader(), data, verbose=False)
    return {name: value.item() for name, value in trainer.callback_metrics.items()}


CODES = [torch.tensor([[0, 0], [5, 5]]), torch.tensor([[1, 0], [5, 6]]), torch.tensor([[2, 3], [6, 6]])]


def test_bits_of_an_example_and_of_a_sample(tmp_path: Any) -> None:
    data = Codes(PCM(), tmp_path, batch_size=2)
    data.examples = CODES
    logged = measured(data)
    # channel 0: 0 three times, 1, 2, 3 once each; channel 1: 5 and 6 three times each
    first = -(3 / 6 * math.log2(3 / 6) + 3 * 1 / 6 * math.log2(1 / 6))
    assert logged == pytest.approx(
        {
            "rate/container_bits": 2 * 2 + 2 * 1,
            "rate/entropy_bits": 2 * first + 2 * 1,
            "rate/container_bits_per_sample": 6 / 4,
            "rate/entropy_bits_per_sample": (2 * first + 2) / 4,
        }
    )
    assert measured(data) == logged  # counts start anew in each test


def test_padding_is_not_counted(tmp_path: Any) -> None:
    class Padded(Codes):
        signal_shape = (1, None)
        sizes = torch.tensor([[1], [2], [2]])

        def test_dataloader(self) -> DataLoader[Any]:
            return DataLoader(list(zip(CODES, range(3), self.sizes, strict=True)), batch_size=3)

    data = Padded(PCM(), tmp_path)
    data.examples = CODES
    logged = measured(data)
    assert logged["rate/container_bits"] == pytest.approx(5 * 3 / 3)
    assert not any(name.endswith("per_sample") for name in logged)


def test_bits_by_field(tmp_path: Any) -> None:
    """A table that is one over the grid counts once, a stage that is not sent not at all."""

    class Fields(Codes):
        spec = CodeSpec(
            [
                Field("mean", (0,), (7,), ordinal=True, cells=(2,)),
                Field("stages", (0, 0), (15, 15), ordinal=False, absent=-1),
                Field("table", (1,), (255,), ordinal=True, constant=True),
            ],
            (2,),
        )  # fmt: skip

    data = Fields(PCM(), tmp_path, batch_size=2)
    data.examples = [
        torch.tensor([[0, 1], [2, 3], [4, 4], [-1, -1], [9, 9]]),
        torch.tensor([[0, 1], [2, 3], [4, 5], [6, -1], [9, 9]]),
    ]
    logged = measured(data)
    assert logged["rate/mean/container_bits"] == 2 * 2 * 3
    assert logged["rate/stages/container_bits"] == (2 + 3) * 4 / 2
    assert logged["rate/table/container_bits"] == 8
    assert logged["rate/container_bits"] == 12 + 10 + 8
    assert logged["rate/mean/entropy_bits"] == 4  # each of the two values of two channels in half of the cases
    first = -(3 / 4 * math.log2(3 / 4) + 1 / 4 * math.log2(1 / 4))
    assert logged["rate/stages/entropy_bits"] == pytest.approx(4 * first / 2)
    assert logged["rate/table/entropy_bits"] == 0
    assert logged["rate/entropy_bits"] == pytest.approx(4 + 2 * first)


def test_stages_that_are_not_sent_take_no_bits(tmp_path: Any) -> None:
    """A second of Lyra at 9.2 kbit/s: 46 stages of 16 words, 50 frames."""

    class Speech(Codes):
        signal_shape = (1, 16000)
        spec = CodeSpec.uniform((46, 50), 0, 15, ordinal=False, absent=-1)

    data = Speech(PCM(), tmp_path)
    data.examples = [torch.full((46, 50), 3), torch.cat([torch.full((16, 50), 3), torch.full((30, 50), -1)])]
    assert measured(data)["rate/container_bits"] == (9200 + 3200) / 2


def test_bits_of_files_are_those_of_the_files(tmp_path: Any) -> None:
    class Photos(EncodedDataModule):
        signal_shape, num_classes = (3, 16, 24), 2

        def signals(self, split: str) -> Dataset[Any] | None:
            return [(image, i % 2) for i, image in enumerate(images)] if split == "test" else None

    images = torch.randint(0, 256, (5, 3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    qualities = {0: JPEG(quality=90), 1: JPEG(quality=30)}
    logged = measured(Photos(JPEG(), tmp_path, batch_size=2, test_codecs=qualities))
    sizes = [len(qualities[i % 2].write(qualities[i % 2].encode(image), image.shape)) for i, image in enumerate(images)]
    assert logged["rate/file_bits"] == pytest.approx(8 * sum(sizes) / 5)
    assert logged["rate/file_bits_per_sample"] == pytest.approx(8 * sum(sizes) / images.numel())


def test_data_without_a_spec_are_left_alone() -> None:
    assert measured(loader(), Foreign()) == {}


@given(st.data())
def test_counts_are_those_of_a_loop(data: st.DataObject) -> None:
    low = tuple(data.draw(st.lists(st.integers(-300, 300), min_size=1, max_size=3)))
    high = tuple(least + data.draw(st.integers(0, 5)) for least in low)
    spec = CodeSpec([Field("code", low, high, ordinal=True)], (4,))
    values = [[[data.draw(st.integers(a, b)) for _ in range(4)] for a, b in zip(low, high, strict=True)] for _ in "ab"]
    counts = count_values(torch.tensor(values, dtype=torch.int16), spec.fields[0])
    assert int(counts.sum()) == 2 * 4 * len(low)
    for channel, (a, b) in enumerate(zip(low, high, strict=True)):
        column = [v for example in values for v in example[channel]]
        assert counts[channel, : b - a + 1].tolist() == [column.count(v) for v in range(a, b + 1)]
