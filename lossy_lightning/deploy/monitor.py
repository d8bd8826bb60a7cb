"""What a network costs once it is packed, beside the one that was trained."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.deploy.packing import pack


class PackedSpeedMonitor(Callback):
    """Packs the network that is tested, and logs its speed and size.

    Logged at the end of a test, on one thread and one example at a time:

    - ``deploy/latency_ms``: median time from an example's code to its logits, packed;
    - ``deploy/float_latency_ms``: the same of the module itself, on the CPU;
    - ``deploy/file_bytes``: size of the packed network's file;
    - ``deploy/agreement``: share of the first batch's examples whose class is the module's own.

    The module reads codes of one size, and tells their spec as ``spec``, as tasks of this package do.

    Args:
        repeats: Number of calls whose median is taken.

    Raises:
        ValueError: If that is below 1.

    Example:
        >>> trainer = Trainer(callbacks=[PackedSpeedMonitor()], logger=False)
    """

    def __init__(self, repeats: int = 20) -> None:
        check_integers(1, repeats=repeats)
        self.repeats = repeats
        self._codes: Tensor | None = None

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Keep the first codes."""
        if batch_idx == 0 and dataloader_idx == 0:
            self._codes = batch[0].detach().cpu()

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Pack the module, and log the figures.

        Raises:
            ValueError: If a layer cannot be packed, or the module tells no spec.
        """
        spec = getattr(pl_module, "spec", None)
        if not isinstance(spec, CodeSpec) or self._codes is None:
            raise InputError("PackedSpeedMonitor packs modules that have a `spec`, the CodeSpec of the codes they read")
        device = pl_module.device
        pl_module.cpu()
        try:
            figures = self._figures(pl_module, CodeSpec(spec.fields, self._codes.shape[2:]), self._codes)
        finally:
            pl_module.to(device)
        for name, value in figures.items():
            pl_module.log(f"deploy/{name}", value, batch_size=1, rank_zero_only=True)

    def _figures(self, module: LightningModule, spec: CodeSpec, codes: Tensor) -> dict[str, float]:
        network = pack(module, spec)
        with tempfile.TemporaryDirectory() as folder:
            network.save(Path(folder, "network"))
            size = Path(folder, "network").stat().st_size
        one = codes[:1].contiguous()
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            packed = self._milliseconds(lambda: network.predict(one))
            own = self._milliseconds(lambda: module(one))
        finally:
            torch.set_num_threads(threads)
        agreement = (torch.from_numpy(network.predict(codes)).argmax(1) == module(codes).argmax(1)).float().mean()
        return {
            "latency_ms": packed,
            "float_latency_ms": own,
            "file_bytes": float(size),
            "agreement": float(agreement),
        }

    def _milliseconds(self, call: Callable[[], object]) -> float:
        """Median time of a call, after one that warms up."""
        call()
        times = []
        for _ in range(self.repeats):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return 1000 * statistics.median(times)
