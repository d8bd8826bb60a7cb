"""Whether the headers of files give their classes away, with the evidence."""

import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lossy_lightning.confound._evidence import ClassTrait, Evidence
from lossy_lightning.confound._page import as_html
from lossy_lightning.confound._pictures import pictures
from lossy_lightning.confound._prediction import SHUFFLES, predict
from lossy_lightning.confound._text import as_text, left_out_lines
from lossy_lightning.confound._traces import encoder_features, shown, size_features
from lossy_lightning.confound.headers import header_table
from lossy_lightning.core import InputError

_MOST_SHOWN = 3


@dataclass(frozen=True)
class Confound(Evidence):
    """What `confound` found: figures, and the same in words and pictures.

    Attributes:
        classes: Name of a class -> its number of files that were measured.
        left_out: Reason -> the files that were not measured.
        num_groups: Groups of files that were kept in one fold, copies of one content included.
        traces: How well traces of the encoder predict the class; they decide.
        size: The same of bytes per sample, which the content of pictures and sounds moves honestly.
        traits: What gives each class away, if traces do.

    Example:
        >>> from lossy_lightning.confound import Prediction
        >>> lost, alone = {"quantization tables": 0.31}, {"quantization tables": 0.97}
        >>> told = Prediction(0.98, (0.95, 1.0), (0.98, 0.98), 0.94, (0.49, 0.52), lost, alone)
        >>> found = Confound({"fake": 60, "real": 60}, {}, 120, traces=told, size=told, traits=())
        >>> found.exceeds(0.9), found.num_files, list(found.matter)
        (True, 120, ['quantization tables'])
    """

    def exceeds(self, threshold: float) -> bool:
        """Whether traces predict the class better than so: the lower end of the interval of their area is above it."""
        return self.traces.interval[0] > threshold

    def to_json(self) -> str:
        """All figures."""
        figures = asdict(self) | {"traces": self.traces._asdict(), "size": self.size._asdict()}
        return json.dumps({"files": self.num_files, **figures}, indent=1)

    def to_text(self) -> str:
        """A few lines for a terminal."""
        return as_text(self)

    def pictures(self) -> dict[str, str]:
        """Pictures of the page as SVG: ``prediction``, and ``traces`` if some tell the class."""
        return pictures(self)

    def to_html(self) -> str:
        """One page with pictures, which needs no other file."""
        return as_html(self)


def confound(
    files: Iterable[Path | str],
    labels: Sequence[str],
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Confound:
    """Ask whether headers give classes away, before a network learns them in place of the content.

    Shallow boosted trees predict the class from traces of the encoder, cross-validated in five folds; files of one
    group, and copies of one content, stay in one fold. The measure is the macro average of the one-against-rest area
    under the ROC curve, within folds: 0.5 is chance, 1 a class that is known from its headers. Shuffled labels and
    importances are measured on at most 2 000 files.

    Args:
        files: Their paths, JPEG, MP3, PNG, WAV, FLAC or Ogg (`header_table`).
        labels: Class of each file.
        groups: What files must not be apart for, such as their camera or speaker; None: nothing.
        seed: Of folds, shuffles and trees.
        progress: Whether to show how far the work has come, on standard error.

    Returns:
        The figures. Classes of a single group are left out: nothing can be learned and tested on them.

    Raises:
        ValueError: If there are not as many labels as files, or fewer than two classes can be measured.

    Source:
        Hanley and McNeil, Radiology 143, 1982 (area); DeLong et al., Biometrics 44, 1988 (interval).

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     files = [Path(folder, f"{i}.jpg") for i in range(40)]
        ...     for i, file in enumerate(files):
        ...         Image.new("L", (16, 16), i).save(file, quality=95 if i % 2 else 75)
        ...     found = confound(files, ["fake" if i % 2 else "real" for i in range(40)])
        >>> found.traces.auc, found.traits[0].text
        (1.0, 'q95')
    """
    paths = [Path(file) for file in files]
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed is a whole number, 0 or more; got {seed!r}")
    if len(paths) != len(labels) or (groups is not None and len(groups) != len(paths)):
        told = "" if groups is None else f" and {len(groups)} groups"
        raise InputError(f"each file has a label and a group; got {len(paths)} files, {len(labels)} labels{told}")
    order = sorted(range(len(paths)), key=lambda i: str(paths[i]))  # or the folds would depend on it
    paths, labels = [paths[i] for i in order], [labels[i] for i in order]
    groups = None if groups is None else [groups[i] for i in order]
    table = header_table(paths, progress)
    kept, numbers, left_out = _measurable(table, labels, groups)
    names = sorted({labels[i] for i in kept})
    targets = np.array([names.index(labels[i]) for i in kept])
    rows = table[kept]
    with tqdm(total=2 * (SHUFFLES + 1), desc="prediction", unit="round", disable=not progress) as bar:
        traces = predict(encoder_features(rows), targets, numbers, seed, bar.update)
        size = predict(size_features(rows), targets, numbers, seed, bar.update)
    counts = Counter(labels[i] for i in kept)
    classes = {name: counts[name] for name in names}
    found = Confound(classes, left_out, len(np.unique(numbers)), traces, size, ())
    return replace(found, traits=_traits(rows, targets, found))


def _measurable(
    table: NDArray[np.void], labels: Sequence[str], groups: Sequence[Hashable] | None
) -> tuple[list[int], NDArray[np.int64], dict[str, list[str]]]:
    """Places of the files that can be measured, the group of each, and the files that cannot, by reason."""
    reasons: dict[str, list[str]] = {}
    for file, error in zip(table["file"].tolist(), table["error"].tolist(), strict=True):
        if error:
            reasons.setdefault(_kind(error), []).append(file)
    good = [i for i, error in enumerate(table["error"]) if not error]
    numbers = _group_numbers(table["content"][good], None if groups is None else [groups[i] for i in good])
    seen: dict[str, set[int]] = {}
    for i, number in zip(good, numbers.tolist(), strict=True):
        seen.setdefault(labels[i], set()).add(number)
    single = {label for label, found in seen.items() if len(found) < 2}
    for i in good:
        if labels[i] in single:
            alone = f"the only file or group of its class {labels[i]!r}"
            reasons.setdefault(alone, []).append(str(table["file"][i]))
    stays = [labels[i] not in single for i in good]
    kept = [i for i, stay in zip(good, stays, strict=True) if stay]
    left = {labels[i] for i in kept}
    left_out = dict(sorted(reasons.items(), key=lambda item: -len(item[1])))
    if len(left) < 2:
        told = "; ".join(left_out_lines(left_out)) or "there are no more"
        raise InputError(
            f"two classes of two files or more are needed; {len(kept)} of {len(table)} files of "
            f"{len(left)} such class{'' if len(left) == 1 else 'es'} can be measured ({told})"
        )
    return kept, numbers[stays], left_out


def _kind(reason: str) -> str:
    """A reason without the places that it names, so that files of one fault are counted together."""
    return re.sub(r"byte \d+", "a byte", reason)


def _group_numbers(contents: NDArray[np.str_], groups: Sequence[Hashable] | None) -> NDArray[np.int64]:
    """One number for files that are joined by a group or by equal content, directly or through others."""
    parents: dict[Hashable, Hashable] = {}

    def root(node: Hashable) -> Hashable:
        while parents.setdefault(node, node) != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    nodes: list[Hashable] = [("content", content) for content in contents.tolist()]
    for node, group in zip(nodes, groups or (), strict=bool(groups)):
        parents[root(node)] = root(("group", group))
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(root(node), len(numbers)) for node in nodes], np.int64)


def _traits(rows: NDArray[np.void], targets: NDArray[np.int64], found: Evidence) -> tuple[ClassTrait, ...]:
    """The commonest look of each class in what matters; none if chance explains it."""
    matter = [*found.matter][:_MOST_SHOWN]
    if not matter:
        return ()
    texts = shown(rows, matter)
    traits = []
    for number, name in enumerate(found.classes):
        inside = targets == number
        text, count = Counter(texts[inside].tolist()).most_common(1)[0]
        elsewhere = float((texts[~inside] == text).mean())
        traits.append(ClassTrait(name, text, count / int(inside.sum()), elsewhere))
    return tuple(traits)
