"""What reads codes first."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from torch import Tensor, nn

from lossy_lightning.core.codec import Codec
from lossy_lightning.core.spec import CodeStatistics


class Stem(nn.Module, ABC):
    """First layer of a model: an integer code ``(N, C, *grid)`` to float features ``(N, *shape)``.

    A stem is built from a `CodeSpec` and raises ValueError where it does not fit that spec.
    """

    shape: tuple[int | None, ...]
    """Shape of the features, without batch; None where it varies."""

    @abstractmethod
    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""

    def adapt(self, codec: Codec, statistics: CodeStatistics) -> None:
        """Take over what the data know: codebooks, statistics of the codes. By default nothing.

        The task calls it once, when fitting is set up; a checkpoint loaded later wins.
        """

    def check_codecs(self, codecs: Iterable[Codec]) -> None:
        """Check, once adapted, that the codes of all codecs of a datamodule are read rightly. By default they are.

        Raises:
            MisconfigurationException: Where codes of one would be misread.
        """
