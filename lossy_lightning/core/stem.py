"""What reads codes first."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from lossy_lightning.core.arguments import check_names
from lossy_lightning.core.codec import Codec
from lossy_lightning.core.errors import InputError
from lossy_lightning.core.spec import CodeSpec
from lossy_lightning.core.statistics import CodeStatistics

#: Shape of features without batch, None if a size varies; by field if fields stay apart.
FeatureShape = tuple[int | None, ...] | dict[str, tuple[int | None, ...]]
#: Features ``(N, *shape)``, or their sizes ``(N, axes)``; by field if fields stay apart.
ByField = Tensor | dict[str, Tensor]


class Stem(nn.Module, ABC):
    """First layer of a model: an integer code ``(N, C, *grid)`` to float features ``(N, *shape)``.

    A stem is built from a `CodeSpec` and raises ValueError if it does not fit that spec.

    Args:
        spec: Of the codes.
        fields: Names of the fields that the stem reads, in that order; None: all.

    Attributes:
        fields: As given.
        code_spec: Of the codes, all fields.
        spec: Of the fields that are read.
        shape: Shape of the features.

    Raises:
        ValueError: If there is no spec, the fields are no list of names, or codes have no such field.
    """

    shape: FeatureShape

    def __init__(self, spec: CodeSpec, fields: Sequence[str] | None = None) -> None:
        super().__init__()
        check_spec(type(self).__name__, spec)
        if fields is not None:
            check_names("fields", fields)
        self.fields = None if fields is None else tuple(fields)
        self.code_spec = spec
        self.spec = spec if self.fields is None else spec.select(*self.fields)

    @abstractmethod
    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> ByField | tuple[ByField, ByField]:
        """Features of a code.

        Args:
            code: ``(N, C, *grid)``, all fields.
            grid_size: ``(N, axes)``, how much of each code of a padded batch is the example's own. What lies beyond
                must not change the features of what lies inside.

        Returns:
            The features; if ``grid_size`` came, also how much of *their* grid is each example's own, ``(N, axes)``.
            Both by field if fields stay apart.
        """

    def read(self, code: Tensor) -> Tensor:
        """The fields that the stem reads, of a code of all fields: ``(N, C', *grid)``, of ``self.spec``.

        Raises:
            ValueError: If the code has not the channels and axes of the spec.
        """
        if self.fields is not None:
            return self.code_spec.narrow(code, *self.fields)
        self.code_spec.check_channels(code)
        return code

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over what the training data know: codebooks, steps, statistics of the codes. By default nothing.

        The task calls it once, when fitting is set up; a checkpoint that is loaded later wins.

        Args:
            codecs: All that training examples go through.
            spec: Of the codes, all fields.
            statistics: Of the training codes, all channels.

        Raises:
            MisconfigurationException: If the stem needs one constant of the codecs, such as a codebook, and they
                differ in it.
        """


def check_spec(stem: str, spec: CodeSpec) -> None:
    """Raise an `InputError` if a stem of that name is made for something else than a spec, such as a shape."""
    if not isinstance(spec, CodeSpec):
        raise InputError(f"{stem} is made for the CodeSpec of codes, such as datamodule.spec; got {spec!r}")
