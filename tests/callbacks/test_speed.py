from typing import Any

import pytest
from lightning.pytorch import Trainer

from lossy_lightning.callbacks import SpeedMonitor, speed

from .foreign import Foreign, ForeignDict, Pairs, loader


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(speed, "time", clock)
    return clock


def fit(module: Foreign, train: Any, val: Any = None, **options: Any) -> dict[str, float]:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    trainer = Trainer(callbacks=[SpeedMonitor()], max_epochs=2, enable_checkpointing=False, **quiet, **options)
    trainer.fit(module, train, val)
    return {name: value.item() for name, value in trainer.callback_metrics.items() if name.startswith("speed/")}


@pytest.mark.parametrize("val_check_interval", [1.0, 0.5])
def test_time_is_that_of_fetching_and_training_alone(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, val_check_interval: float
) -> None:
    class Slow(Foreign):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            clock.now += 1
            return super().training_step(batch, batch_idx)

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            clock.now += 100

    class SlowPairs(Pairs):
        def __getitem__(self, index: int) -> Any:
            clock.now += 0.5
            return super().__getitem__(index)

    train = loader()
    train.dataset.__class__ = SlowPairs
    logged = fit(Slow(), train, loader(), val_check_interval=val_check_interval)
    # 4 steps of 1 second, each after 6 examples of half a second
    assert logged == {"speed/epoch_seconds": 16, "speed/examples_per_second": 24 / 16, "speed/data_wait": 0.75}


def test_batches_of_any_form_are_counted() -> None:
    assert fit(ForeignDict(), loader(as_dict=True), loader(as_dict=True))["speed/examples_per_second"] > 0


def test_batches_without_tensors_count_nothing() -> None:
    assert speed._length("text") == 0
