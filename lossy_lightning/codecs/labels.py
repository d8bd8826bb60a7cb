"""Labels that mean something: a codec's indices renumbered so that their bits tell which words are alike."""

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from lossy_lightning.codecs._assigning import assign_labels, label_bits
from lossy_lightning.core import Codec, CodeSpec, InputError, TrainableCodec, data_state
from lossy_lightning.core.arguments import check_integers

_MAX_SWAPPED = 64  # levels up to which all pairs are tried for a better swap


class Labels(ABC):
    """A rule that gives each index of a codec a label of its own.

    A rule is an object with a text of its own (`__repr__`), so that codecs can be told apart.
    """

    @abstractmethod
    def __call__(self, codec: Codec, signals: Iterable[Tensor]) -> Tensor:
        """Label of each index.

        Args:
            codec: Fitted, with codebooks.
            signals: Batches ``(N, *signal)`` of the training split.

        Returns:
            ``(C, levels)`` int64, each row a permutation of 0 to levels - 1.
        """


class Relabeled(TrainableCodec):
    """Another codec with its indices renumbered; nothing else changes, so `Bits` needs only the spec.

    Args:
        codec: A codec of codebook indices. It is fitted first if it needs to be.
        labels: The rule; it is asked once, in `fit`.

    Raises:
        ValueError: If the codec has no codebooks; when a spec is asked for, if they are not of one size.

    Example:
        >>> from lossy_lightning.codecs import VQ
        >>> images = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8)
        >>> codec = Relabeled(VQ((4, 4), levels=16), SimilarityLabels()).fit([images])
        >>> torch.equal(codec.decode(codec.encode(images)), codec.codec.decode(codec.codec.encode(images)))
        True
    """

    permutation: Tensor

    def __init__(self, codec: Codec, labels: Labels) -> None:
        super().__init__()
        if not isinstance(codec, Codec) or not callable(labels) or isinstance(labels, type):
            raise InputError(
                f"Relabeled takes a codec and a rule, such as VQ((4, 4), 16) and SimilarityLabels(); got {codec=}, "
                f"{labels=}"
            )
        if type(codec).codebooks is Codec.codebooks:  # others may have codebooks only once they are fitted
            raise _no_books(codec)
        self.codec = codec
        self.labels = labels
        self.sample_rate = codec.sample_rate
        self.on_device = codec.on_device
        self.idempotent = codec.idempotent
        self.learned = codec.learned
        self.register_buffer("permutation", torch.empty(0, 0, dtype=torch.int64))

    @property
    def fitted(self) -> bool:
        """Whether there are labels, and the codec is fitted."""
        return self.permutation.numel() > 0 and _is_fitted(self.codec)

    def fit(self, signals: Iterable[Tensor]) -> Self:
        """Fit the codec if it needs that, then ask the rule.

        Raises:
            ValueError: If the rule does not give each index a label of its own.
        """
        if isinstance(signals, Iterator):
            signals = list(signals)  # read twice
        if isinstance(self.codec, TrainableCodec) and not self.codec.fitted:
            self.codec.fit(signals)
        labels = self.labels(self.codec, signals)
        channels, levels = _books(self.codec).shape[:2]
        labels = labels.cpu()
        if labels.shape != (channels, levels) or not torch.equal(labels.sort(1)[0], _identity(channels, levels)):
            raise InputError(
                f"labels are {channels} permutations of 0 to {levels - 1}; {self.labels} gave {labels.tolist()}"
            )
        self.permutation = labels.to(self.permutation.device)
        return self

    def encode(self, signal: Tensor) -> Tensor:
        """Labels of the codec's indices.

        Raises:
            RuntimeError: If there are no labels yet.
        """
        return self._renumbered(self.codec.encode(signal), self._fitted_permutation())

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """The codec's signal."""
        return self.codec.decode(self._renumbered(code, self._fitted_permutation().argsort(1)), shape)

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """The codec's spec."""
        spec = self.codec.spec(shape)
        if any(field.ordinal for field in spec.fields) or set(spec.low) != {0} or len(set(spec.levels)) != 1:
            raise InputError(f"Relabeled takes a codec of indices of codebooks of one size; got {spec} of {self.codec}")
        return spec

    def encoding_macs(self, shape: tuple[int, ...], decoded: bool = False) -> Counter[int]:
        """The codec's."""
        return self.codec.encoding_macs(shape, decoded)

    def codebooks(self) -> Tensor | None:
        """The codec's codebooks, in the order of the labels."""
        books = self.codec.codebooks()
        if books is None or not self.fitted:
            return None
        return torch.stack([book[order] for book, order in zip(books, self.permutation.argsort(1), strict=True)])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # A codec that is not fitted yet has no labels.
        saved = state_dict.get(prefix + "permutation", self.permutation)
        if saved.shape != self.permutation.shape:
            self.permutation = self.permutation.new_empty(saved.shape)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _fitted_permutation(self) -> Tensor:
        if not self.fitted:
            raise RuntimeError("this codec has no labels yet; call fit, or load a fitted state")
        return self.permutation

    def _renumbered(self, code: Tensor, permutation: Tensor) -> Tensor:
        axis = -_axes(self.codec)
        channels = zip(permutation.to(code.device), code.long().unbind(axis), strict=True)
        return torch.stack([row[index] for row, index in channels], axis).to(code.dtype)


class SimilarityLabels(Labels):
    """Labels whose bits differ the more, the farther apart the words are.

    They maximise the sum over all pairs of words of Hamming distance times squared distance. As the squared distances
    between all labels add up to the same for any order, that is the least squares fit of Hamming to squared distances.
    The quadratic assignment problem is solved from several starts, and by swaps of two labels up to 64 levels.

    Args:
        weighted: Whether pairs count by how frequent both words are in the training signals.
        starts: Number of starts, the best of which is taken.
        seed: Of the starts.

    Source:
        Zeger & Gersho, Pseudo-Gray coding, IEEE Trans. Communications 38(12), 1990 (labels for words, by swaps);
        Vogelstein et al., Fast approximate quadratic programming for graph matching, PLoS ONE 10(4), 2015 (starts).

    Example:
        >>> SimilarityLabels(weighted=True)
        SimilarityLabels(weighted=True, starts=10, seed=0)
    """

    def __init__(self, weighted: bool = False, starts: int = 10, seed: int = 0) -> None:
        check_integers(1, starts=starts)
        check_integers(0, seed=seed)
        self.weighted = weighted
        self.starts = starts
        self.seed = seed

    def __call__(self, codec: Codec, signals: Iterable[Tensor]) -> Tensor:
        """Label of each index."""
        books = _books(codec)
        shares = _shares(codec, signals, books.shape[1]) if self.weighted else torch.ones(books.shape[:2])
        return torch.stack([self._assign(book, share) for book, share in zip(books, shares, strict=True)])

    def __repr__(self) -> str:
        return f"SimilarityLabels(weighted={self.weighted}, starts={self.starts}, seed={self.seed})"

    def _assign(self, book: Tensor, share: Tensor) -> Tensor:
        words, weight = book.double().cpu(), share.double()
        far = (torch.cdist(words, words).square() * weight[:, None] * weight).numpy()
        bits = label_bits(len(words))
        differing = torch.cdist(bits, bits, p=0).double().numpy()
        best = max(
            (self._attempt(far, differing, start) for start in range(self.starts)),
            key=lambda labels: float((far * differing[labels][:, labels]).sum()),
        )
        return torch.from_numpy(best.astype(np.int64))

    def _attempt(self, far: np.ndarray[Any, Any], differing: np.ndarray[Any, Any], start: int) -> np.ndarray[Any, Any]:
        from scipy.optimize import quadratic_assignment  # slow to import

        rng = np.random.default_rng((self.seed, start))
        options = {"maximize": True, "rng": rng}
        guess = quadratic_assignment(far, differing, "faq", options | {"P0": "randomized" if start else "barycenter"})
        labels = guess.col_ind
        if len(far) <= _MAX_SWAPPED:
            pairs = np.stack([np.arange(len(far)), labels], 1)
            labels = quadratic_assignment(far, differing, "2opt", options | {"partial_guess": pairs}).col_ind
        return np.asarray(labels)


class LearnedLabels(Labels):
    """Labels learned with a task, from the checkpoint of a task whose stem was `LearnedBits` on the codec's codes.

    Args:
        checkpoint: Path of the checkpoint; it is read at once.

    Raises:
        ValueError: If there is no such file, or its task had another stem or, when called, another codec or fit.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch import Trainer
        >>> from lossy_lightning import data, nn, tasks
        >>> from lossy_lightning.codecs import VQ
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     digits = data.Digits(codec := VQ((2, 2), levels=16), cache_dir=folder)
        ...     task = tasks.ClassificationTask(digits.spec, digits.num_classes, nn.LearnedBits, nn.MLP)
        ...     trainer = Trainer(max_steps=1, default_root_dir=folder, logger=False, enable_progress_bar=False)
        ...     trainer.fit(task, digits)
        ...     trainer.save_checkpoint(f"{folder}/learned.ckpt")
        ...     relabeled = Relabeled(codec, LearnedLabels(f"{folder}/learned.ckpt")).fit([])
        >>> sorted(relabeled.permutation[0].tolist()) == list(range(16))
        True
    """

    def __init__(self, checkpoint: str | Path) -> None:
        if not Path(checkpoint).is_file():
            raise InputError(f"there is no checkpoint {checkpoint}; train the labels first, or set another path")
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        if "stem.bits" not in content["state_dict"]:
            raise InputError(f"the checkpoint {checkpoint} is of a task whose stem is not LearnedBits")
        self.labels = assign_labels(content["state_dict"]["stem.bits"])
        state = data_state(content)
        self._codec: str | None = None if state is None else state["codecs"]["codec"]["fingerprint"]

    def __call__(self, codec: Codec, signals: Iterable[Tensor]) -> Tensor:
        """Label of each index."""
        if self._codec not in (None, codec.fingerprint()):
            raise InputError(
                f"these labels were learned on {self._codec}; got {codec.fingerprint()}, whose indices stand for other "
                "words: use the codec of that checkpoint"
            )
        return self.labels

    def __repr__(self) -> str:
        # By what was learned, not by where it lay.
        return f"LearnedLabels(#{hashlib.sha256(self.labels.numpy().tobytes()).hexdigest()[:16]})"


def _identity(channels: int, levels: int) -> Tensor:
    return torch.arange(levels).expand(channels, levels)


def _is_fitted(codec: Codec) -> bool:
    return codec.fitted if isinstance(codec, TrainableCodec) else True


def _books(codec: Codec) -> Tensor:
    """Codebooks of a fitted codec.

    Raises:
        ValueError: If it has none.
    """
    books = codec.codebooks()
    if books is None:
        raise _no_books(codec)
    return books


def _no_books(codec: Codec) -> InputError:
    return InputError(f"labels are given to indices of codebooks of one size, which {codec} has not")


def _axes(codec: Codec) -> int:
    """Axes of a code without batch: those of images or those of sounds, whichever the codec takes."""
    try:
        return len(codec.spec((1, None, None)).shape)
    except ValueError:
        return len(codec.spec((1, None)).shape)


def _shares(codec: Codec, signals: Iterable[Tensor], levels: int) -> Tensor:
    """How frequent each word is, ``(C, levels)``; each row adds up to 1."""
    counts: Tensor | int = 0
    for batch in signals:
        channels = codec.encode(batch).movedim(-_axes(codec), 0).flatten(1).long()
        counts = counts + torch.stack([channel.bincount(minlength=levels) for channel in channels]).cpu()
    if isinstance(counts, int):
        raise InputError("words cannot be counted in no signals; pass at least one batch")
    return counts / counts.sum(1, keepdim=True)
