"""Scripts that train in several processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def run(script: str, root: Path, devices: int) -> list[Any]:
    """What a script, called with a folder and a number of processes, leaves there in ``rank0.json`` and so on."""
    root.mkdir()
    path = root / "script.py"
    path.write_text(script)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo" if sys.platform == "linux" else "lo0",
    }
    command = [sys.executable, str(path), str(root), str(devices)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads((root / f"rank{rank}.json").read_text()) for rank in range(devices)]
