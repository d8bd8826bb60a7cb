"""Whether packed networks compute what torch does, on the test split.

    LOSSY_DATA=... python -m benchmarks.accuracy.packed RUN_DIR ...

Each folder is one of a run of `lossy-lightning fit` (``config.yaml`` and checkpoints below it). Logits of all test
examples are compared: equal to the last bit, within 1e-4, the same class; of those that are further apart, how near to
0 the nearest value before a sign is.
"""

from pathlib import Path

import numpy as np
import torch
import yaml

from benchmarks.accuracy.exchange import nearest_to_sign, test_codes
from benchmarks.harness import parser
from lossy_lightning.core import CodeSpec
from lossy_lightning.deploy import pack
from lossy_lightning.tasks import ClassificationTask

_NEAR = 1e-4


def main() -> None:
    options = parser(__doc__)
    options.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR")
    runs = options.parse_args().runs
    print("| network | test examples | equal | within 1e-4 | same class |\n|---|---|---|---|---|")
    for run in runs:
        print(row(run), flush=True)


def row(run: Path) -> str:
    """A line of the table; before it, one for each example whose logits are further apart."""
    checkpoint = max(run.rglob("*.ckpt"), key=lambda path: path.stat().st_mtime)
    task = ClassificationTask.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True).eval()
    code = test_codes(run, checkpoint)
    got = pack(task, CodeSpec(task.spec.fields, code.shape[2:])).predict(code)
    with torch.no_grad():
        want = np.concatenate([task(part).numpy() for part in code.split(64)])
        far = np.flatnonzero(np.abs(got - want).max(1) > _NEAR)
        for example in far:
            nearest = nearest_to_sign(task, code[example : example + 1])
            print(f"<!-- {run}: example {example}, {np.abs(got - want)[example].max():.2g}, nearest {nearest:.2g} -->")
    name = yaml.safe_load((run / "config.yaml").read_text())["trainer"]["logger"]["init_args"]["name"]
    equal, same = (got == want).all(1).mean(), (got.argmax(1) == want.argmax(1)).mean()
    return f"| `{name}` | {len(code)} | {equal:.2%} | {1 - len(far) / len(code):.2%} | {same:.2%} |"


if __name__ == "__main__":
    main()
