"""Where the numbers of a run come from."""

import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from lossy_lightning.core import Origin
from lossy_lightning.core.files import write_atomically

PACKAGES = ("lossy_lightning", "torch", "lightning", "torchmetrics", "brevitas", "numpy")
"""Packages whose versions are written down."""
FILE_NAME = "environment.json"


class Provenance(Callback):
    """Writes ``environment.json`` into the folder of the logs: how a run was made and how it stands.

    It holds the command, versions, hardware, the seed that `seed_everything` was given, times of start and end, host
    and process, and ``state``: ``running``, ``finished``, ``interrupted`` or ``failed`` with the ``error``. A process
    that is killed leaves ``running``; readers on the same host see that the process is gone. Each logger's folder gets
    the same file; ``run`` in it says which folders are of one run. ``stages`` names what was run (``fit``, ``test``, …)
    and the checkpoint that each started from, or the epoch of weights that were loaded or trained before. Without a
    logger nothing is written, and of a prediction after another stage neither.

    Example:
        >>> trainer = Trainer(callbacks=[Provenance()], logger=False)
    """

    def __init__(self) -> None:
        self._paths: list[Path] = []
        self._content: dict[str, Any] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write down that the run has started, or goes on with a test."""
        folder = trainer.log_dir  # asks all ranks
        self._paths = []
        if folder is None or not trainer.loggers or trainer.fast_dev_run or not trainer.is_global_zero:  # type: ignore[attr-defined]
            return
        if stage == "predict" and self._content:
            return  # a prediction changes nothing of what was trained or tested before
        self._paths = [Path(place, FILE_NAME) for place in run_folders(trainer) or [folder]]
        start, run = self._content.get("started") or _now(), self._content.get("run") or uuid4().hex
        stages = self._content.get("stages", {}) | {stage: _weights(trainer, pl_module)}
        self._content = environment() | {"started": start, "precision": str(trainer.precision)}
        self._content |= {"devices": _devices(trainer), "run": run, "stages": stages}
        self._write(state="running")

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write down that the run has finished."""
        self._write(state="interrupted" if trainer.interrupted else "finished", ended=_now())

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write down what ended the run."""
        state = "interrupted" if isinstance(exception, KeyboardInterrupt) else "failed"
        self._write(state=state, error=f"{type(exception).__name__}: {exception}", ended=_now())

    def _write(self, **changes: Any) -> None:
        if self._paths:
            self._content |= changes
        for path in self._paths:
            write_atomically(path, json.dumps(self._content, indent=2) + "\n")


def _weights(trainer: Trainer, pl_module: LightningModule) -> str | None:
    """Where the weights come from; None if it is not known, or from nowhere."""
    if trainer.ckpt_path is not None:
        return str(trainer.ckpt_path)
    origin = getattr(pl_module, "origin", None)  # a foreign module has none
    return f"epoch {origin.epoch}" if isinstance(origin, Origin) and origin.epoch is not None else None


def run_folders(trainer: Trainer) -> dict[str, bool]:
    """The folders that loggers keep for this run alone, and whether that is W&B; to be called on the first rank."""
    folders: dict[str, bool] = {}
    for logger in trainer.loggers:
        place = logger.experiment.dir if isinstance(logger, WandbLogger) else logger.log_dir
        if isinstance(place, str):
            folders[place] = isinstance(logger, WandbLogger)
    return folders


def environment() -> dict[str, Any]:
    """Command, versions, hardware, seed, host and process of this program.

    Example:
        >>> torch.__version__.startswith(environment()["versions"]["torch"])
        True
    """
    seed = os.environ.get("PL_GLOBAL_SEED")
    return {
        "command": _command(),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "hardware": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "accelerators": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
            "system": platform.platform(),
        },
        "seed": int(seed) if seed and seed.isdecimal() else None,
        "host": platform.node(),
        "process": os.getpid(),
    }


def _command() -> str:
    program, *arguments = sys.argv
    name = Path(program).name
    as_module = name == "__main__.py"
    return shlex.join([*(("python", "-m", Path(program).parent.name) if as_module else (name,)), *arguments])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name; only Linux gives more than its family."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _devices(trainer: Trainer) -> str:
    name = type(trainer.accelerator).__name__.removesuffix("Accelerator")
    return f"{trainer.world_size} x {name}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
