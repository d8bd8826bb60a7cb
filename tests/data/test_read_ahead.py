"""Batches read ahead by threads, against those of one process without threads."""

import gc
import threading
import time

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.data import _update_dataloader
from torch.utils.data import Dataset, DistributedSampler

from lossy_lightning.data._read_ahead import ReadAheadLoader

COUNT = 23


class Numbers(Dataset):
    """Batches of indices and a number each; early batches take the longest."""

    def __init__(self, bad=None):
        self.bad, self.threads, self.asked = bad, set(), 0

    def __len__(self):
        return COUNT

    def __getitems__(self, indices):
        self.asked += 1
        slow = self.asked % 3 == 1
        self.threads.add(threading.current_thread().name)
        if self.bad in indices:
            raise ValueError(f"{self.bad} is bad")
        time.sleep(0.02 if slow else 0)
        return torch.tensor(indices), torch.tensor(indices) / 7


def loader(dataset, num_workers, shuffle=True, **arguments):
    return ReadAheadLoader(
        dataset, 4, shuffle=shuffle, num_workers=num_workers, collate_fn=lambda batch: batch, **arguments
    )


def epoch(loader, seed=0):
    torch.manual_seed(seed)
    return [tuple(part.tolist() for part in batch) for batch in loader]


def indices_of(batches):
    return [index for indices, _ in batches for index in indices]


def alive():
    return [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


def wait_for_threads():
    gc.collect()
    for thread in alive():
        thread.join(10)
    assert alive() == []


def test_batches_follow_the_seed_whatever_the_number_of_threads():
    ahead = loader(Numbers(), 2)
    got = epoch(ahead)
    assert got == epoch(ahead) == epoch(loader(Numbers(), 1))
    assert got != epoch(ahead, seed=1)
    assert sorted(indices_of(got)) == list(range(COUNT))
    assert len(ahead) == len(got) == 6


def test_order_is_that_of_the_sampler():
    assert indices_of(epoch(loader(Numbers(), 2, shuffle=False))) == list(range(COUNT))


def test_threads_read_at_the_same_time_and_end_with_the_loop():
    dataset = Numbers()
    for _ in range(3):
        epoch(loader(dataset, 2))
    assert len(dataset.threads) > 1
    assert threading.current_thread().name not in dataset.threads
    wait_for_threads()


def test_without_workers_this_thread_reads():
    dataset = Numbers()
    assert len(epoch(loader(dataset, 0))) == 6
    assert dataset.threads == {threading.current_thread().name}


def test_leaving_the_loop_early_ends_the_threads_and_asks_for_no_more():
    dataset = Numbers()
    ahead = loader(dataset, 2)
    for _ in ahead:
        break
    wait_for_threads()
    assert dataset.asked <= 5
    assert len(epoch(ahead)) == 6


def test_two_loops_at_a_time():
    ahead = loader(Numbers(), 2, shuffle=False)
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(ahead, ahead, strict=True))


def test_an_error_arrives_in_its_turn():
    batches = iter(loader(Numbers(bad=9), 2, shuffle=False))
    assert [next(batches)[0].tolist() for _ in range(2)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with pytest.raises(ValueError, match="9 is bad"):
        next(batches)
    wait_for_threads()


def test_lightnings_distributed_sampler_takes_over():
    ahead = loader(Numbers(), 2)
    seen = []
    for rank in range(2):
        sampler = DistributedSampler(ahead.dataset, num_replicas=2, rank=rank)
        replaced = _update_dataloader(ahead, sampler)
        assert type(replaced) is ReadAheadLoader
        seen += indices_of(epoch(replaced))
    assert set(seen) == set(range(COUNT))
    assert len(seen) == COUNT + 1  # the sampler repeats one to give both ranks as many


class Model(LightningModule):
    def __init__(self):
        super().__init__()
        self.weight, self.seen = torch.nn.Parameter(torch.zeros(1)), []

    def training_step(self, batch, index):
        self.seen.append(batch[0].tolist())
        return self.weight.sum()

    def on_train_batch_start(self, batch, index):
        return -1 if self.trainer.current_epoch == 1 and index == 2 else None

    def validation_step(self, batch, index):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def test_a_trainer_fits_epochs_and_leaves_them_early(tmp_path):
    model = Model()
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    trainer = Trainer(accelerator="cpu", max_epochs=3, limit_val_batches=1, default_root_dir=tmp_path, **quiet)
    trainer.fit(model, loader(Numbers(), 2), loader(Numbers(), 2, shuffle=False))
    assert [len(batch) for batch in model.seen] == [4, 4, 4, 4, 4, 3, 4, 4, 4, 4, 4, 4, 4, 3]
    first, last = ([index for batch in batches for index in batch] for batches in (model.seen[:6], model.seen[8:]))
    assert sorted(first) == sorted(last) == list(range(COUNT))
    assert first != last
    del trainer, model
    wait_for_threads()
