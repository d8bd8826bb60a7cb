"""Small logs, written with TensorBoard's own writer."""

import json
import os
import platform
from pathlib import Path
from typing import Any

import yaml
from torch.utils.tensorboard import SummaryWriter


def write_run(
    folder: Path,
    scalars: dict[str, list[float]],
    config: dict[str, Any] | None = None,
    **environment: Any,
) -> Path:
    """Log one point an epoch, ten steps each."""
    writer = SummaryWriter(str(folder))
    for name, values in scalars.items():
        for epoch, value in enumerate(values):
            writer.add_scalar(name, value, 10 * epoch)
            writer.add_scalar("epoch", epoch, 10 * epoch)
    writer.close()
    if config is not None:
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    if environment:
        given = {"host": platform.node(), "process": os.getpid(), "command": "lossy-lightning fit"}
        (folder / "environment.json").write_text(json.dumps(given | environment))
    return folder


def events(folder: Path) -> Path:
    """The one event file."""
    (path,) = folder.glob("events.out.tfevents.*")
    return path
