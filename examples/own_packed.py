"""Train a network of 1-bit weights and inputs on digits, pack it, and run it without torch.

    python examples/own_packed.py

Its first layer reads the pixels' own bits, compared with two thresholds, so no wide operation is left. The packed file
is loaded in another process, in which torch cannot be imported, and gives the same logits, bit for bit.
"""

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch

from lossy_lightning.codecs import Threshold
from lossy_lightning.data import Digits
from lossy_lightning.deploy import attach_codec, pack
from lossy_lightning.nn import ConvNet, Scale
from lossy_lightning.tasks import ClassificationTask

ELSEWHERE = """
import sys
sys.modules["torch"] = None
import numpy as np
from lossy_lightning.deploy import PackedNetwork
network = PackedNetwork.load("digits.packed")
np.save("logits.npy", network.predict(np.load("codes.npy")))
print("without torch:", network.classes[network.predict(np.load("codes.npy")[:1]).argmax()])
"""


def main(max_epochs: int = 10) -> bool:
    pl.seed_everything(0)
    data = Digits(Threshold([64, 160]))
    backbone = partial(ConvNet, channels=(32, 64), pool=(False, True), first_input_bit_width=1, pad=(True, True))
    task = ClassificationTask(data.spec, data.num_classes, Scale, backbone, logit_scale=3.0)
    trainer = pl.Trainer(max_epochs=max_epochs, accelerator="cpu")
    trainer.fit(task, data)
    trainer.test(task, data)
    codes = torch.cat([code for code, *_ in data.test_dataloader()])
    with torch.no_grad():
        logits = task.eval()(codes)
    with tempfile.TemporaryDirectory() as folder:
        network = pack(task, data.spec, data.classes)
        attach_codec(network, data.codec, data.signal_form).save(Path(folder, "digits.packed"))
        np.save(Path(folder, "codes.npy"), codes.numpy())
        subprocess.run([sys.executable, "-c", ELSEWHERE], cwd=folder, check=True)
        equal = bool((torch.from_numpy(np.load(Path(folder, "logits.npy"))) == logits).all())
        print(f"{Path(folder, 'digits.packed').stat().st_size} bytes; logits are {'equal' if equal else 'not equal'}")
    return equal


if __name__ == "__main__":
    main()
