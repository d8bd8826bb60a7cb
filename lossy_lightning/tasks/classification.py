"""Classification of codes."""

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassAccuracy

from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, FeatureShape, InputError, Stem
from lossy_lightning.core.arguments import check_integers, check_maker, check_numbers
from lossy_lightning.tasks._origin import OriginTask, data_of
from lossy_lightning.tasks._wiring import check_optimizers, check_targets, make_optimizers, save_plain_hyperparameters


class ClassificationTask(OriginTask):
    """A stem and a backbone trained with cross-entropy; logs ``{train,val,test}_{loss,acc}``.

    Batches are ``(code, target)`` with codes ``(N, C, *grid)`` of the spec and targets ``(N,)`` int64, or
    ``(code, target, grid_size)`` if codes of different size are padded. The stem's ``forward`` then takes
    ``grid_size``, ``(N, axes of the grid)`` int64, and returns the features and their own sizes, which the backbone's
    ``forward`` takes as its ``grid_size`` to ignore the padding.

    Args:
        spec: Of the codes, from the datamodule.
        num_classes: Number of classes.
        stem: Makes the first layer from the spec. Its module has a ``shape``, that of the features.
        backbone: Makes the rest from the features' shape (by field if the stem keeps fields apart) and the number of
            classes.
        optimizer: Makes the optimizer from the parameters.
        lr_scheduler: Makes the learning rate scheduler from the optimizer; it is stepped after each epoch.
        logit_scale: Factor of the backbone's outputs. A last batch norm without scale gives outputs of variance 1,
            whose cross-entropy stays high however right they are; a factor of about 3 lets it fall.
        label_smoothing: Share of the target that is spread over all classes, in training.

    Raises:
        ValueError: If there is no spec or number of classes, the scale is not above 0 or the share not in [0, 1); if
            stem, backbone, optimizer or scheduler are made already, or make none; if stem and spec, or backbone and
            features, do not fit together.

    Example:
        >>> from functools import partial
        >>> from lossy_lightning.nn import MLP, Bits
        >>> spec = CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False)
        >>> task = ClassificationTask(spec, 10, stem=Bits, backbone=partial(MLP, hidden_features=(64, 64)))
        >>> task(torch.zeros(2, 1, 7, 7, dtype=torch.uint8)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        spec: CodeSpec,
        num_classes: int,
        stem: Callable[[CodeSpec], nn.Module],
        backbone: Callable[[FeatureShape, int], nn.Module],
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        logit_scale: float = 1.0,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if not isinstance(spec, CodeSpec) or num_classes is None:
            raise InputError(
                f"a task needs the CodeSpec of its codes and the number of classes; got {spec=}, {num_classes=}: take "
                "a datamodule that has them, such as an EncodedDataModule, or set both"
            )
        check_integers(2, num_classes=num_classes)
        check_numbers(0, excluded=0, logit_scale=logit_scale)
        check_numbers(0, 1, excluded=1, label_smoothing=label_smoothing)
        check_maker("stem", stem, spec)
        check_optimizers(optimizer, lr_scheduler)
        save_plain_hyperparameters(self)
        self.spec = spec
        self.stem = stem(spec)
        if not hasattr(self.stem, "shape"):
            raise InputError(
                f"the module of a stem has a shape, that of its features without batch, such as (64, 4, 4); "
                f"{type(self.stem).__name__} has none: set self.shape in it"
            )
        check_maker("backbone", backbone, self.stem.shape, num_classes)
        self.backbone = backbone(self.stem.shape, num_classes)  # type: ignore[arg-type]
        if not isinstance(self.backbone, nn.Module):
            raise InputError(f"backbone makes a torch.nn.Module; {backbone} made {self.backbone!r}")
        self.num_classes = num_classes
        self._adapted = False
        self._training: tuple[Codec, ...] | None = None
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.logit_scale = logit_scale
        self.label_smoothing = label_smoothing
        # Lightning's own mean over ranks rounds their numbers of examples. A loss of NaN stays one; "disable", which
        # would say so, drops the weights.
        self.train_loss = MeanMetric(nan_strategy=float("nan"))
        self.val_loss = self.train_loss.clone()
        self.test_loss = self.train_loss.clone()
        self.train_acc = MulticlassAccuracy(num_classes, average="micro")
        self.val_acc = self.train_acc.clone()
        self.test_acc = self.train_acc.clone()

    def setup(self, stage: str) -> None:
        """Check the datamodule against the spec, and let the stem adapt to it before fitting.

        Raises:
            MisconfigurationException: If the datamodule's codes or classes are not what the task was built for.
        """
        data: Any = getattr(self.trainer, "datamodule", None)
        spec = getattr(data, "spec", None)
        if spec is None:
            return
        if spec != self.spec:
            raise MisconfigurationException(
                f"this task was built for codes of {self.spec}, but the datamodule gives {spec}; "
                "build the task with spec=datamodule.spec"
            )
        if (getattr(data, "num_classes", None) or 0) > self.num_classes:
            raise MisconfigurationException(
                f"this task was built for {self.num_classes} classes, but the datamodule has {data.num_classes}; build "
                "the task with num_classes=datamodule.num_classes"
            )
        super().setup(stage)
        if stage == "fit" and isinstance(self.stem, Stem) and not self._adapted:
            self._training = tuple(data.codecs.training)
            self.stem.adapt(self._training, self.spec, data.statistics)
            self._adapted = True
            self._check_codecs(self._training, data.codecs.test)

    def _check_codecs(self, codecs: Sequence[Codec], others: Sequence[Codec]) -> None:
        """Check that the stem reads codes of other codecs as it reads those that it was adapted to."""
        others = [codec for codec in others if all(codec is not known for known in codecs)]
        if not others or not isinstance(self.stem, Stem):
            return
        # A copy is adapted, so any statistics do; those of the data might have to be made first.
        statistics = CodeStatistics(torch.zeros(len(self.spec.low)), torch.ones(len(self.spec.low)))
        try:
            copy.deepcopy(self.stem).adapt([*codecs, *others], self.spec, statistics)
        except MisconfigurationException as error:
            raise MisconfigurationException(
                f"{type(self.stem).__name__} would misread test codes, for their codecs are not those of training: "
                f"{error}"
            ) from error
        known = [codec.codebooks() for codec in codecs]
        for codec in others:
            books = codec.codebooks()
            if books is not None and not any(own is not None and torch.equal(own.cpu(), books.cpu()) for own in known):
                raise MisconfigurationException(
                    f"{type(self.stem).__name__} would misread test codes, for the indices of {codec} stand for other "
                    "words than those of training: test on codes of the training codec"
                )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the stem that the checkpoint brings, and remember the data that it was trained on.

        Raises:
            MisconfigurationException: If the datamodule has another codec, or other classes.
        """
        super().on_load_checkpoint(checkpoint)
        self._adapted = True

    def on_validation_start(self) -> None:
        """Check, after a fit, that the codes of another datamodule are read rightly.

        Raises:
            MisconfigurationException: If the network was trained, or the stem adapted, to other data.
        """
        super().on_validation_start()
        data = data_of(self)
        if data is not None and self._training is not None:
            self._check_codecs(self._training, data.codecs.training)

    def on_test_start(self) -> None:
        """As `on_validation_start`."""
        super().on_test_start()
        self._check_test_codecs()

    def on_predict_start(self) -> None:
        """As `on_validation_start`."""
        super().on_predict_start()
        self._check_test_codecs()

    def _check_test_codecs(self) -> None:
        data = data_of(self)
        if data is not None and (self._training is not None or self.origin.state is not None):
            # Of a checkpoint, the data's own codecs of training are those that it was trained with.
            self._check_codecs(self._training or data.codecs.training, data.codecs.test)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes)`` of codes ``(N, C, *grid)``.

        Raises:
            ValueError: If the codes have not the shape of the spec or are no integers.
            MisconfigurationException: If codes are padded and stem or backbone cannot ignore it.
        """
        self.spec.check_layout(code)
        if grid_size is None:
            logits: Tensor = self.logit_scale * self.backbone(self.stem(code))
            return logits
        for part in (self.stem, self.backbone):
            if "grid_size" not in inspect.signature(part.forward).parameters:
                raise MisconfigurationException(
                    f"codes of different size were padded, but {type(part).__name__}.forward takes no grid_size; "
                    "crop the codes to one size, or use one that ignores padding"
                )
        features, own = self.stem(code, grid_size)
        logits = self.logit_scale * self.backbone(features, own)
        return logits

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """Loss of a training batch."""
        return self._step(batch, "train", self.train_loss, self.train_acc)

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """Log loss and accuracy of a validation batch."""
        self._step(batch, "val", self.val_loss, self.val_acc)

    def test_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """Log loss and accuracy of a test batch."""
        self._step(batch, "test", self.test_loss, self.test_acc)

    def predict_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """Probabilities ``(N, num_classes)`` of a batch."""
        code, _, *grid_size = batch
        return self.forward(code, *grid_size).softmax(1)

    def configure_optimizers(self) -> Any:
        """The optimizer, and the scheduler if there is one."""
        return make_optimizers(self.parameters(), self.optimizer, self.lr_scheduler)

    def evaluate(self, batch: tuple[Tensor, ...], split: str) -> tuple[Tensor, Tensor]:
        """Logits ``(N, num_classes)`` and loss of a batch of "train", "val" or "test".

        A task with another loss overrides it.
        """
        code, target, *grid_size = batch
        logits = self(code, *grid_size)
        smoothing = self.label_smoothing if split == "train" else 0.0
        return logits, F.cross_entropy(logits, target, label_smoothing=smoothing)

    def _step(self, batch: tuple[Tensor, ...], split: str, mean_loss: Metric, accuracy: Metric) -> Tensor:
        code, target, *_ = batch
        check_targets(target)
        try:
            logits, loss = self.evaluate(batch, split)
        except IndexError as error:
            if "Target" not in str(error):
                raise
            raise InputError(f"classes are 0 to {self.num_classes - 1}, as num_classes says; {error}") from error
        if logits.shape != (len(code), self.num_classes):
            raise InputError(
                f"a backbone makes logits (N, {self.num_classes}), one for each class; "
                f"{type(self.backbone).__name__} made {tuple(logits.shape)}"
            )
        mean_loss.update(loss.detach(), len(code))
        accuracy(logits, target)
        self.log(f"{split}_loss", mean_loss, on_step=False, on_epoch=True, batch_size=len(code))
        self.log(f"{split}_acc", accuracy, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(code))
        return loss
