"""What examples in docstrings need that is not made on the spot."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_arguments(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command line in an example is not asked of pytest's arguments."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.setattr(sys, "argv", ["lossy-lightning"])


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Leave out the example of Lyra if its models are not there."""
    if not Path(os.environ.get("LOSSY_DATA", "none"), "lyra_v2").is_dir():
        reason = "needs the models of Lyra, lyra_v2/ in $LOSSY_DATA"
        for item in items:
            if item.name.endswith("lyra.Lyra"):
                item.add_marker(pytest.mark.skip(reason=reason))
