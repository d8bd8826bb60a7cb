"""The cache of encoded splits: killed runs, damaged files, and what is read back."""

import multiprocessing
import os
import pickle
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from lossy_lightning.codecs import PCM, VQ
from lossy_lightning.core import CodeSpec
from lossy_lightning.data import EncodedDataset
from lossy_lightning.data import _writing as writing_module
from lossy_lightning.data._once import fit_once
from lossy_lightning.data._statistics import fingerprint_examples
from lossy_lightning.data._writing import write_codes
from lossy_lightning.data.cache import open_codes
from lossy_lightning.data.source import as_source

TOTAL = 40
CHUNK = 10
SPEC = CodeSpec.uniform((1, 8, 8), 0, 255, ordinal=True)


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of ten examples."""
    monkeypatch.setattr(writing_module, "_CHUNK_BYTES", CHUNK * 64)


@pytest.fixture
def images():
    return torch.randint(0, 256, (TOTAL, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels():
    return torch.arange(TOTAL) % 3


@pytest.fixture
def examples(images, labels):
    return TensorDataset(images, labels)


class Encoder:
    """The identity, which counts the signals it has seen and may fail once it has seen some number of them."""

    def __init__(self, fails_after=None):
        self.seen = 0
        self.fails_after = fails_after

    def __call__(self, signals, targets):
        if self.fails_after is not None and self.seen >= self.fails_after:
            raise KeyboardInterrupt
        self.seen += len(signals)
        return signals


def opened(folder, examples, encoder=None, spec=SPEC):
    encoder = encoder or Encoder()
    return open_codes(folder, lambda: write_codes(folder, as_source(examples), encoder, spec))


def flip_a_bit(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("num_examples", [1, CHUNK - 1, CHUNK, CHUNK + 1, TOTAL])
def test_codes_and_targets_are_what_was_encoded(tmp_path, small_chunks, images, labels, num_examples):
    dataset = opened(tmp_path / "split", TensorDataset(images[:num_examples], labels[:num_examples]))
    assert torch.equal(dataset.codes, images[:num_examples])
    assert torch.equal(dataset.targets, labels[:num_examples])
    assert sorted(path.name for path in dataset.folder.iterdir()) == ["codes.npy", "meta.pt", "seal.pt"]


def test_second_opening_encodes_nothing(tmp_path, examples):
    encoder = Encoder()
    opened(tmp_path / "split", examples, encoder)
    opened(tmp_path / "split", examples, encoder)
    assert encoder.seen == TOTAL


def test_a_stopped_run_goes_on_from_its_chunks(tmp_path, small_chunks, examples, images):
    folder = tmp_path / "split"
    with pytest.raises(KeyboardInterrupt):
        opened(folder, examples, Encoder(fails_after=2 * CHUNK))
    assert not folder.exists()
    encoder = Encoder()
    assert torch.equal(opened(folder, examples, encoder).codes, images)
    assert encoder.seen == TOTAL - 2 * CHUNK
    assert not folder.with_suffix(".partial").exists()


def test_a_killed_process_leaves_its_chunks_and_no_lock(tmp_path, small_chunks, examples, images):
    folder = tmp_path / "split"

    class Killed(Encoder):
        def __call__(self, signals, targets):
            if self.seen == 3 * CHUNK:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(signals, targets)

    killed = _forked(opened, folder, examples, Killed())
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    assert not folder.exists()
    encoder = Encoder()
    assert torch.equal(opened(folder, examples, encoder).codes, images)
    assert encoder.seen == CHUNK


def test_a_run_killed_while_joining_encodes_nothing_again(tmp_path, small_chunks, examples, images, monkeypatch):
    folder = tmp_path / "split"
    with monkeypatch.context() as patch:
        patch.setattr(writing_module, "statistics_of", lambda moments: pytest.fail("stop"))
        with pytest.raises(pytest.fail.Exception):
            opened(folder, examples)
    assert not folder.exists()
    encoder = Encoder()
    assert torch.equal(opened(folder, examples, encoder).codes, images)
    assert encoder.seen == 0


@pytest.mark.parametrize("damage", [truncate, lambda path: flip_a_bit(path, 1000), lambda path: path.write_bytes(b"")])
def test_a_damaged_chunk_is_encoded_again(tmp_path, small_chunks, examples, images, damage):
    folder = tmp_path / "split"
    with pytest.raises(KeyboardInterrupt):
        opened(folder, examples, Encoder(fails_after=2 * CHUNK))
    damage(folder.with_suffix(".partial") / "chunk-000000010.pt")
    encoder = Encoder()
    with pytest.warns(UserWarning, match=r"chunk-000000010.pt is damaged .*; it is made anew"):
        dataset = opened(folder, examples, encoder)
    assert torch.equal(dataset.codes, images)
    assert encoder.seen == TOTAL - CHUNK


@pytest.mark.parametrize("name", ["codes.npy", "meta.pt"])
@pytest.mark.parametrize("damage", [truncate, lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
def test_a_damaged_split_is_made_anew_with_a_warning(tmp_path, examples, images, labels, name, damage):
    folder = tmp_path / "split"
    opened(folder, examples)
    damage(folder / name)
    encoder = Encoder()
    with pytest.warns(UserWarning, match=r"the codes in .*split are damaged .*; they are made anew"):
        dataset = opened(folder, examples, encoder)
    assert encoder.seen == TOTAL
    assert torch.equal(dataset.codes, images)
    assert torch.equal(dataset.targets, labels)


def flipped(path, start):
    """Damage a file by one flipped bit at a time, here and there behind a start, and mend it in the end."""
    content = path.read_bytes()
    for position in range(start, len(content), len(content) // 29):
        path.write_bytes(content)
        flip_a_bit(path, position)
        yield position
    path.write_bytes(content)


def test_any_flipped_bit_of_targets_and_statistics_is_noticed(tmp_path, examples, images, labels):
    folder = tmp_path / "split"
    opened(folder, examples)
    for _ in flipped(folder / "meta.pt", 0):
        with pytest.warns(UserWarning, match="damaged"):
            dataset = opened(folder, examples)
        assert torch.equal(dataset.codes, images)
        assert torch.equal(dataset.targets, labels)


def test_any_flipped_bit_of_codes_is_noticed_if_they_are_checked(tmp_path, examples, images):
    folder = tmp_path / "split"
    opened(folder, examples).check()
    size = (folder / "codes.npy").stat().st_size
    for _ in flipped(folder / "codes.npy", size - images.nbytes):  # NumPy's header is padded with spaces
        with pytest.raises(ValueError, match="the checksum of the codes is wrong"):
            EncodedDataset(folder).check()
    opened(folder, examples).check()


def test_codes_without_a_seal_are_checked_and_sealed(tmp_path, examples, images):
    """A crash may leave a folder whose files never reached the disk."""
    folder, encoder = tmp_path / "split", Encoder()
    opened(folder, examples, encoder)
    (folder / "seal.pt").unlink()
    opened(folder, examples, encoder)
    assert encoder.seen == TOTAL
    assert (folder / "seal.pt").exists()
    (folder / "seal.pt").unlink()
    flip_a_bit(folder / "codes.npy", -1)
    with pytest.warns(UserWarning, match="damaged"):
        dataset = opened(folder, examples, encoder)
    assert torch.equal(dataset.codes, images)
    assert encoder.seen == 2 * TOTAL


def test_sealed_codes_are_not_read_to_open_them(tmp_path, examples, monkeypatch):
    folder = tmp_path / "split"
    opened(folder, examples)
    monkeypatch.setattr(EncodedDataset, "check", lambda self: pytest.fail("reads all codes"))
    opened(folder, examples)


def test_a_complete_cache_is_opened_without_a_lock_or_a_write(tmp_path, examples, images):
    folder = tmp_path / "cache" / "split"
    opened(folder, examples)
    folder.with_suffix(".lock").unlink(missing_ok=True)
    assert torch.equal(opened(folder, examples).codes, images)
    assert [path.name for path in folder.parent.iterdir()] == ["split"]


def test_a_damaged_codebook_is_fitted_again(tmp_path, noise):
    examples = as_source(noise(PCM()).signals("train"))
    first, second, third = (VQ((4, 4), 4) for _ in range(3))
    fit_once(first, examples, tmp_path / "fit")
    flip_a_bit(tmp_path / "fit.codec", 600)
    with pytest.warns(UserWarning, match=r"fit.codec is damaged"):
        fit_once(second, examples, tmp_path / "fit")
    third.fit = None  # must not be called
    fit_once(third, examples, tmp_path / "fit")
    assert first.fingerprint() == second.fingerprint() == third.fingerprint()


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 15, "uint8"),
        (0, 255, "uint8"),
        (-1, 127, "int8"),
        (0, 256, "int16"),
        (-1024, 1023, "int16"),
        (0, 2**15, "int32"),
        (0, 2**31, "int64"),
    ],
)
def test_codes_are_stored_in_the_smallest_dtype(tmp_path, low, high, dtype):
    codes = torch.tensor([low, high]).view(2, 1, 1)
    spec = CodeSpec.uniform((1, 1), low, high, ordinal=True)
    dataset = opened(tmp_path / "split", TensorDataset(codes, torch.zeros(2)), spec=spec)
    assert np.load(tmp_path / "split" / "codes.npy").dtype == dtype
    assert torch.equal(dataset.codes.long(), codes)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the maps of a process from /proc")
def test_codes_are_memory_mapped(tmp_path, examples):
    dataset = opened(tmp_path / "split", examples)
    maps = Path("/proc/self/maps").read_text()
    assert str(dataset.folder) in maps


def test_a_mnist_image_of_codes_takes_49_bytes(tmp_path):
    codes = torch.randint(0, 16, (200, 1, 7, 7))
    spec = CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False)
    dataset = opened(tmp_path / "split", TensorDataset(codes, torch.zeros(200, dtype=torch.int64)), spec=spec)
    assert dataset.codes.nbytes / len(dataset) <= 49


def test_a_pickled_dataset_opens_the_file_again(tmp_path, examples, images):
    dataset = opened(tmp_path / "split", examples)
    pickled = pickle.dumps(dataset)
    assert len(pickled) < 1000  # a path, not the codes
    twin = pickle.loads(pickled)
    assert torch.equal(twin.codes, images)


@pytest.mark.slow
def test_spawned_workers_read_it(tmp_path, examples, images):
    dataset = opened(tmp_path / "split", examples)
    loader = DataLoader(dataset, 8, num_workers=1, collate_fn=EncodedDataset.collate, multiprocessing_context="spawn")
    assert torch.equal(torch.cat([code for code, _ in loader]), images)


def test_a_whole_batch_is_its_examples_one_by_one(tmp_path, examples):
    dataset = opened(tmp_path / "split", examples)
    indices = [7, 0, 39, 7]
    codes, targets = dataset.__getitems__(indices)
    assert torch.equal(codes, torch.stack([dataset[i][0] for i in indices]))
    assert torch.equal(targets, torch.stack([dataset[i][1] for i in indices]))


def test_writing_to_a_batch_does_not_change_the_cache(tmp_path, examples, images):
    dataset = opened(tmp_path / "split", examples)
    dataset.__getitems__([0, 1])[0].zero_()
    dataset[0][0].zero_()
    assert torch.equal(EncodedDataset(tmp_path / "split").codes, images)


class Labelled(torch.utils.data.Dataset):
    def __init__(self, images, targets):
        self.images, self.targets = images, targets

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.images[index], self.targets[index]


@pytest.mark.parametrize(
    "targets",
    [
        [0.25, 0.75, -3.5],
        [torch.tensor(0.25), torch.tensor(0.75), torch.tensor(-3.5)],
        ["cat", "dog", "cow"],
        [torch.tensor([1.5, 2]), torch.tensor([3.5, 4]), torch.tensor([5.5, 6])],
        [{"box": torch.tensor([1, 2]), "name": "cat"}] * 3,
        [(1, "cat"), (2, "dog"), (3, "cow")],
        [np.array([1.5, 2]), np.array([3.5, 4]), np.array([5.5, 6])],
        [np.float64(0.25), np.float64(0.75), np.float64(-3.5)],
    ],
    ids=["floats", "scalars", "strings", "vectors", "dicts", "tuples", "arrays", "numpy scalars"],
)
def test_other_targets_than_integers_pass_through(tmp_path, images, targets):
    examples = Labelled(images, targets)
    dataset = opened(tmp_path / "split", examples)
    (_, expected), (_, got) = next(iter(DataLoader(examples, 3))), dataset.__getitems__([0, 1, 2])
    assert _plain(got) == _plain(expected)


@pytest.mark.parametrize("convert", [int, torch.tensor, np.int64], ids=["int", "tensor", "numpy"])
def test_integer_targets_become_one_tensor(tmp_path, images, convert):
    dataset = opened(tmp_path / "split", Labelled(images, [convert(label) for label in (2, 0, 1)]))
    assert torch.equal(dataset.targets, torch.tensor([2, 0, 1]))


def test_statistics_are_those_of_all_codes(tmp_path, small_chunks):
    codes = torch.randint(-1024, 1024, (TOTAL, 3, 2, 2), dtype=torch.int16)
    spec = CodeSpec.uniform((3, 2, 2), -1024, 1023, ordinal=True)
    mean, std = opened(tmp_path / "split", TensorDataset(codes, torch.zeros(TOTAL)), spec=spec).statistics
    channels = codes.double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(mean, channels.mean(1).float())
    torch.testing.assert_close(std, channels.std(1, correction=0).float())


class Sized(torch.utils.data.Dataset):
    """Signals of three channels and many sizes."""

    def __len__(self):
        return TOTAL

    def __getitem__(self, index):
        size = 3, 1 + index % 5, 2 + index % 3
        values = torch.randint(-1000, 1000, size, generator=torch.Generator().manual_seed(index))
        return values.to(torch.int16), index % 4


VARIES = CodeSpec.uniform((3, None, None), -1024, 1023, ordinal=True)


def test_codes_of_different_size_come_back(tmp_path):
    dataset = opened(tmp_path / "split", Sized(), spec=VARIES)
    for i, (code, target) in enumerate(Sized()[j] for j in range(TOTAL)):
        assert torch.equal(dataset[i][0], code)
        assert dataset[i][1] == target
    assert dataset.codes.nbytes == sum(Sized()[i][0].nbytes for i in range(TOTAL))
    assert opened(tmp_path / "split", Sized(), Encoder(fails_after=0), spec=VARIES).grid_sizes.shape == (TOTAL, 2)


def test_statistics_of_codes_of_different_size(tmp_path):
    mean, std = opened(tmp_path / "split", Sized(), spec=VARIES).statistics
    channels = torch.cat([Sized()[i][0].flatten(1) for i in range(TOTAL)], 1).double()
    torch.testing.assert_close(mean, channels.mean(1).float())
    torch.testing.assert_close(std, channels.std(1, correction=0).float())


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_of_codes_of_different_size_are_padded(tmp_path, num_workers):
    dataset = opened(tmp_path / "split", Sized(), spec=VARIES)
    loader = DataLoader(dataset, 16, collate_fn=EncodedDataset.collate, num_workers=num_workers)
    seen = 0
    for code, target, grid_size in loader:
        assert code.shape[2:] == tuple(grid_size.amax(0).tolist())
        for row, label, (height, width) in zip(code, target, grid_size.tolist(), strict=True):
            want, wanted_label = Sized()[seen]
            assert torch.equal(row[:, :height, :width], want)
            assert label == wanted_label
            assert VARIES.check(row) is None
            seen += 1
    assert seen == TOTAL


def test_a_stopped_run_over_codes_of_different_size_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(writing_module, "_CHUNK_EXAMPLES", CHUNK)
    folder = tmp_path / "split"
    with pytest.raises(KeyboardInterrupt):
        opened(folder, Sized(), Encoder(fails_after=2 * CHUNK), VARIES)
    encoder = Encoder()
    dataset = opened(folder, Sized(), encoder, VARIES)
    assert encoder.seen == TOTAL - 2 * CHUNK
    assert all(torch.equal(dataset[i][0], Sized()[i][0]) for i in range(TOTAL))


def test_a_code_outside_its_spec_is_an_error_and_not_cached(tmp_path, examples):
    with pytest.raises(ValueError, match="channel 0 of field 'code' ranges from 0 to 15; got"):
        opened(tmp_path / "split", examples, spec=CodeSpec.uniform((1, 8, 8), 0, 15, ordinal=True))
    assert not (tmp_path / "split").exists()


def test_no_examples_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="has no examples"):
        opened(tmp_path / "split", TensorDataset(torch.zeros(0, 1, 8, 8), torch.zeros(0)))


def test_two_processes_at_once_build_once(tmp_path, examples):
    counter = tmp_path / "encoded"

    def encode(signals, targets):
        with counter.open("a") as file:
            file.write("x" * len(signals))
        time.sleep(0.2)
        return signals

    processes = [_forked(opened, tmp_path / "split", examples, encode) for _ in range(2)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(counter.read_text()) == TOTAL


def test_fingerprint_tells_splits_apart(images, labels):
    fingerprint = fingerprint_examples(as_source(TensorDataset(images, labels)))
    changed = images.clone()
    changed[-1, 0, 0, 0] += 1
    assert fingerprint == fingerprint_examples(as_source(TensorDataset(images.clone(), labels.clone())))
    others = [(changed, labels), (images, labels.flip(0)), (images[:-1], labels[:-1]), (images.view(-1, 8, 8), labels)]
    for other in others:
        assert fingerprint_examples(as_source(TensorDataset(*other))) != fingerprint


def _forked(function, *args):
    """A process that runs a function of this one; any warning in it is an error."""
    process = multiprocessing.get_context("fork").Process(target=function, args=args)
    process.start()
    return process


def _plain(value):
    """Nested lists and numbers of a batch of targets."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
