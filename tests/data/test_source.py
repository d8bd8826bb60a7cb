"""What a datamodule reads: sources, those of others, and streams."""

import inspect
import typing

import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.utils.data import IterableDataset, TensorDataset

from lossy_lightning.codecs import PCM, VQ
from lossy_lightning.data import (
    AudioFolder,
    CodedFolder,
    Digits,
    EncodedDataModule,
    ImageFolder,
    Source,
    SpeechCommands,
    Stream,
)
from lossy_lightning.data._arguments import CodeArguments, SignalArguments
from lossy_lightning.data.source import Part, as_source

TOTAL = 30


class Counted(Source):
    """Codes that count through; batches are made at once."""

    def __init__(self, total=TOTAL):
        self.total = total
        self.fetched = []

    def __len__(self):
        return self.total

    def __getitem__(self, index):
        return torch.full((1, 2), index), index % 3

    def __getitems__(self, indices):
        self.fetched.append(list(indices))
        codes, targets = zip(*(self[index] for index in indices), strict=True)
        return torch.stack(codes), torch.tensor(targets)

    def collate(self, batch):
        return batch

    def describe(self, index):
        return f"file {index}"


class Counting(IterableDataset):
    """The same as a stream, shared among workers."""

    def __init__(self, total=TOTAL):
        self.total = total

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        return ((torch.full((1, 2), index), index % 3) for index in range(first, self.total, step))


class CountingStream(Stream):
    """The same of our own kind."""

    def __iter__(self):
        return iter(Counting())


class Ready(EncodedDataModule):
    """Codes of any source."""

    signal_shape = (1, 2)
    num_classes = 3
    source = None

    def codes(self, split):
        return None if split == "val" else self.source


def ready(source, tmp_path, **arguments):
    data = type("Ready", (Ready,), {"source": source})
    return data(PCM(), root=tmp_path, batch_size=8, **arguments)


def first_values(loader):
    return [code[:, 0, 0].tolist() for code, _ in loader]


def test_a_source_makes_its_batches_itself(tmp_path):
    source = Counted()
    data = ready(source, tmp_path, val_fraction=0.2)
    assert first_values(data.test_dataloader())[1] == list(range(8, 16))
    assert source.fetched[-3] == list(range(8, 16))
    val = sorted(value for batch in first_values(data.val_dataloader()) for value in batch)
    train = sorted(value for batch in first_values(data.train_dataloader()) for value in batch)
    assert len(val) == 6
    assert sorted(val + train) == list(range(TOTAL))


def test_a_part_asks_its_source():
    part = Part(Counted(), [5, 3, 9])
    assert (len(part), part[1][1], part.describe(2)) == (3, 0, "file 9")
    assert part.__getitems__([2, 0])[0][:, 0, 0].tolist() == [9, 5]


def test_data_sets_and_lists_of_others_are_read():
    pairs = [(torch.zeros(1), 0), (torch.ones(1), 1)]
    for dataset in (pairs, TensorDataset(torch.arange(2.0).unsqueeze(1), torch.arange(2)), Counted(2)):
        source = as_source(dataset)
        assert len(source) == 2
        assert source[1][1] == 1
        assert source.collate(source.__getitems__([1, 0]))[1].tolist() == [1, 0]
    assert as_source(None) is None
    assert source is dataset


@pytest.mark.parametrize("stream", [Counting(), CountingStream()], ids=["torch's", "ours"])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_stream_of_codes_is_read_as_it_comes(tmp_path, stream, num_workers):
    data = ready(stream, tmp_path, val_fraction=0, num_workers=num_workers)
    data.setup("fit")
    got = first_values(data.train_dataloader())
    assert sorted(value for batch in got for value in batch) == list(range(TOTAL))
    assert num_workers or got[0] == list(range(8))
    assert data.val_dataloader() == []
    expected = torch.arange(TOTAL, dtype=torch.float64)
    torch.testing.assert_close(data.statistics.mean, expected.mean().float().view(1))


def test_what_a_stream_cannot_do_is_said(tmp_path):
    with pytest.raises(MisconfigurationException, match=r"no part of .*Stream.* for validation; .*val_fraction=0"):
        ready(Counting(), tmp_path).setup("fit")
    with pytest.raises(TypeError, match="CountingStream is a stream, whose examples are not counted"):
        len(CountingStream())

    class Signals(Digits):
        def signals(self, split):
            return None if split == "val" else Counting()

    with pytest.raises(MisconfigurationException, match=r"signals\(\) returns PairStream, a stream, but codes of"):
        Signals(VQ((1,), 2), cache_dir=tmp_path, val_fraction=0).setup("fit")


def test_an_example_that_cannot_be_encoded_is_named(tmp_path):
    class Shorts(Counted):
        def __getitem__(self, index):
            return torch.zeros(1, 2, dtype=torch.int16 if index == 17 else torch.uint8), 0

        def __getitems__(self, indices):
            return [self[index] for index in indices]

    class Signals(Ready):
        def codes(self, split):
            return None

        def signals(self, split):
            return Shorts() if split == "test" else None

    with pytest.raises(ValueError, match=r"^file 17 cannot be encoded: .*int16"):
        Signals(PCM(), root=tmp_path).setup("test")


@pytest.mark.parametrize("arguments", [CodeArguments, SignalArguments])
def test_typed_arguments_are_those_of_the_constructor(arguments):
    parameters = inspect.signature(EncodedDataModule.__init__).parameters
    for name, kind in typing.get_type_hints(arguments).items():
        assert parameters[name].annotation == kind
    missing = {"self", "codec", "root"} | ({"transform"} if arguments is CodeArguments else set())
    assert set(parameters) - set(typing.get_type_hints(arguments)) == missing


@pytest.mark.parametrize("view", [Digits, ImageFolder, AudioFolder, SpeechCommands, CodedFolder])
def test_the_command_line_shows_every_argument_with_its_default(view):
    parser = ArgumentParser()
    parser.add_class_arguments(view, "data")
    text = " ".join(parser.format_help().split())
    assert "--data.batch_size BATCH_SIZE Examples of a batch. (type: int, default: 64)" in text
    shared = set(SignalArguments.__annotations__) - ({"transform"} if view is CodedFolder else set())
    assert all(f"--data.{name} " in text for name in shared)
    assert parser.get_defaults().data.val_fraction == 0.1
