"""Codes, a binary network and its true cost, with a Trainer of your own."""

from functools import partial

from lightning.pytorch import Trainer, seed_everything

from lossy_lightning.callbacks import BitWidthAudit, ComplexityMonitor
from lossy_lightning.codecs import VQ
from lossy_lightning.data import Digits
from lossy_lightning.nn import MLP, LookupLinear
from lossy_lightning.tasks import ClassificationTask


def main(max_epochs: int = 20) -> None:
    seed_everything(0)
    data = Digits(VQ(block=(2, 2), levels=16))  # 8x8 pixels become 4x4 codes of 4 bits
    task = ClassificationTask(
        data.spec,
        data.num_classes,
        stem=partial(LookupLinear, out_features=64),
        backbone=partial(MLP, hidden_features=(64,), input_norm=True),  # 1-bit weights, 1-bit inputs
    )
    trainer = Trainer(max_epochs=max_epochs, callbacks=[ComplexityMonitor(), BitWidthAudit()])
    trainer.fit(task, data)
    trainer.test(task, data)


if __name__ == "__main__":
    main()
