"""The loader that all our loaders are."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader


class EpochLoader(DataLoader[Any]):
    """A loader that reads nothing before its first batch is asked for: only then its epoch is known for sure.

    Lightning makes an iterator before it says which epoch comes, and takes a loader that has a state for one that can
    go on in the middle of an epoch. Where an epoch goes on is the datamodule's to say, so this state is empty.

    Args: as of `torch.utils.data.DataLoader`.

    Attributes:
        skipped: Batches at the beginning of the next epoch that are read and left out.
    """

    skipped: int = 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        first, self.skipped = self.skipped, 0
        for number, batch in enumerate(self.batches()):
            if number >= first:
                yield batch

    def batches(self) -> Iterator[Any]:
        """The batches of an epoch."""
        return super().__iter__()

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over nothing."""
