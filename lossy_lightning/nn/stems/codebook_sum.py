"""A codec's own codebooks, looked up."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.nn._errors import misconfiguration
from lossy_lightning.nn.layers._tables import SummedTable
from lossy_lightning.nn.stems._values import ValueStem


class CodebookSum(ValueStem):
    """The codec's own words for residual codes, added up: ``(N, stages, *grid)`` to ``(N, dim, *grid)``.

    That is the codec's latent, which its decoder would read. The words are taken over when the task adapts its stem
    to the data; before that they are zero. A stage that is absent adds nothing. A code costs one row read and ``dim``
    additions a stage and position.

    Args:
        spec: Of the code, codebook indices of one range.
        dim: Length of the codec's words: 64 for `Lyra`, 128 for `EnCodec`.
        num_stages: How many stages to read, the first ones; None: all. Fewer are a lower bit rate of the same codes.
        trainable: Whether the words are trained on.
        weight_bit_width: Bits of a table's entry: 1, 4, or 32 (not quantized), with one scale a stage.
        fields: Names of the fields whose channels are the stages; None: all.

    Raises:
        ValueError: If codes are no indices of one range, there are fewer stages, or the bit width is none of those.

    Example:
        >>> stem = CodebookSum(CodeSpec.uniform((46, 50), 0, 15, ordinal=False), num_stages=16)
        >>> stem(torch.zeros(2, 46, 50, dtype=torch.uint8)).shape
        torch.Size([2, 64, 50])
    """

    start: Tensor

    def __init__(
        self,
        spec: CodeSpec,
        dim: int = 64,
        num_stages: int | None = None,
        trainable: bool = False,
        weight_bit_width: int = 32,
        fields: Sequence[str] | None = None,
    ) -> None:
        super().__init__(spec, fields)
        spec = self.spec
        stages = len(spec.low) if num_stages is None else num_stages
        if any(field.ordinal for field in spec.fields) or set(spec.low) != {0} or len(set(spec.high)) > 1:
            raise InputError(
                f"CodebookSum reads residual codes, indices from 0 of equal codebooks; got {spec}: name such fields"
            )
        check_integers(1, num_stages=stages, dim=dim)
        if stages > len(spec.low):
            raise InputError(f"this code has {len(spec.low)} stages; got num_stages={stages}")
        levels = spec.high[0] + 1
        self.num_stages = stages
        self.shape = (dim, *spec.grid)
        start = levels * torch.arange(stages).view(-1, *[1] * len(spec.grid))
        self.register_buffer("start", start, persistent=False)
        self.table = SummedTable(stages, levels, dim, weight_bit_width)
        self.table.weight.requires_grad_(trainable)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes if it is padded."""
        code = self.read(code)
        index = code[:, : self.num_stages].long() + self.start
        present = self.present(code)
        if present is not None:
            index = torch.where(present[:, : self.num_stages], index, -1)
        grid = index.shape[2:]
        sums: Tensor = self.table(index.movedim(1, -1).reshape(-1, self.num_stages))
        features = sums.view(code.shape[0], *grid, -1).movedim(-1, 1)
        return features if grid_size is None else (features, grid_size)

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over the codebooks.

        Raises:
            ValueError: If a codec has none, or words of another length or number.
            MisconfigurationException: If codecs have other codebooks.
        """
        first, *others = [self._words(codec) for codec in codecs]
        for codec, words in zip(codecs[1:], others, strict=True):
            if not torch.equal(words, first):
                raise misconfiguration(
                    f"CodebookSum looks up the codebook of one codec, but those of {codecs[0]} and {codec} differ; use "
                    "one codec, or a stem that learns its own table, such as Embed"
                )
        with torch.no_grad():
            self.table.weight.copy_(first)

    def _words(self, codec: Codec) -> Tensor:
        """The codec's words ``(stages * levels, dim)``."""
        codebooks = codec.codebooks()
        if codebooks is None:
            raise InputError(f"CodebookSum looks up a codec's codebooks; {codec} has none: use another stem")
        words = codebooks[: self.num_stages].flatten(0, 1)
        if words.shape != self.table.weight.shape:
            dim = self.table.weight.shape[1]
            raise InputError(
                f"the codec's words have {codebooks.shape[2]} values, {codebooks.shape[1]} words a stage; the stem was "
                f"built for {dim} values and {len(self.table.weight) // self.num_stages} words: set "
                f"dim={codebooks.shape[2]}"
            )
        return words
