"""Cross-validated prediction of classes from features: how well it goes, how sure that is, and by what."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossy_lightning.confound._traces import Features

FOLDS = 5
SHUFFLES = 20
SAMPLE = 2_000
"""Files, at most, on which shuffles and importances are measured."""
_PERMUTATIONS = 3
_TREES = 30  # of all classes of an iteration, about
_NORMAL_95 = 1.959964

_Numbers = NDArray[np.int64]


class Prediction(NamedTuple):
    """How well classes are predicted out of fold.

    Attributes:
        auc: Macro average over classes of the area under the ROC curve, one class against the rest, within folds.
        interval: 95 % interval of it.
        by_class: Area of each class.
        balanced_accuracy: Mean share of each class's files that are predicted right.
        shuffled: Areas after the labels were shuffled.
        importances: Name of a trace -> how much area is lost if its values are shuffled. Traces that always differ
            together, such as scans and Huffman tables, share one importance, and trees take either.
        alone: Name of a trace -> area of that trace alone: how often each of its values goes with each class.
    """

    auc: float
    interval: tuple[float, float]
    by_class: tuple[float, ...]
    balanced_accuracy: float
    shuffled: tuple[float, ...]
    importances: dict[str, float]
    alone: dict[str, float]


def predict(
    features: Features, labels: _Numbers, groups: _Numbers, seed: int, advance: Callable[[], object] = lambda: None
) -> Prediction:
    """Predict the labels from the features.

    Args:
        features: Of the files.
        labels: 0 to the number of classes less one; each class has files of two groups or more.
        groups: Files of one number stay in one fold.
        seed: Of folds, shuffles and trees.
        advance: Called after each of `SHUFFLES` + 1 rounds.
    """
    draws = np.random.default_rng(seed)
    classes = int(labels.max()) + 1
    if not features.traces:  # all files are alike
        half = (0.5,) * classes
        return Prediction(0.5, (0.5, 0.5), half, 1 / classes, (0.5,) * SHUFFLES, {}, {})
    folds = assign_folds(labels, groups, draws)
    scores, models = _out_of_fold(features, labels, folds, seed)
    area = _area(scores, labels, folds)
    right = scores.argmax(1) == labels
    accuracy = float(np.mean([right[labels == c].mean() for c in range(classes)]))
    advance()
    some = _sample(labels, groups, draws)
    shuffled = []
    for _ in range(SHUFFLES):
        shuffled.append(_shuffled_area(features, labels[some], groups[some], some, draws, seed))
        advance()
    # The spread of chance also counts what the folds and trees add; it shrinks with the number of files.
    chance = float(np.std(shuffled, ddof=1)) * (len(some) / len(labels)) ** 0.5
    margin = _NORMAL_95 * max(area.deviation, chance if 0 < area.mean < 1 else 0.0)
    interval = max(0.0, area.mean - margin), min(1.0, area.mean + margin)
    if len(features.traces) == 1:  # shuffled, it leaves what chance gives
        (name,) = features.traces
        return Prediction(
            area.mean, interval, area.by_class, accuracy, tuple(shuffled), {name: area.mean - 0.5}, {name: area.mean}
        )
    importances = _importances(features, labels, folds, models, some, draws)
    alone = {name: _area_alone(features.values[:, columns], labels, folds) for name, columns in features.traces.items()}
    return Prediction(area.mean, interval, area.by_class, accuracy, tuple(shuffled), importances, alone)


def assign_folds(labels: _Numbers, groups: _Numbers, draws: np.random.Generator) -> _Numbers:
    """A fold for each file: classes spread evenly, groups whole (a group counts for the class of its first file)."""
    kinds, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    folds = np.empty(len(kinds), np.int64)
    start = 0
    for label in range(int(labels.max()) + 1):
        members = (labels[first] == label).nonzero()[0]
        folds[draws.permutation(members)] = (start + np.arange(len(members))) % FOLDS
        start += len(members)  # lest all remainders fall into the first folds
    return folds[numbers]


class _Area(NamedTuple):
    mean: float
    deviation: float
    by_class: tuple[float, ...]


def _area(scores: NDArray[np.float64], labels: _Numbers, folds: _Numbers) -> _Area:
    """Areas within folds, averaged over a class's folds, then over classes; the deviation by each file's influence.

    Source: DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated receiver operating
    characteristic curves, Biometrics 44, 1988: a file's placement among those of the other side.
    """
    classes = scores.shape[1]
    influence = np.zeros(len(labels))
    by_class = []
    for c in range(classes):
        parts = [part for part in _sides(labels == c, folds) if len(part[0]) and len(part[1])]
        areas = []
        for positive, negative in parts:
            above, below = scores[positive, c], scores[negative, c]
            of_positive, of_negative = _placements(above, below), 1 - _placements(below, above)
            areas.append(of_positive.mean())
            weight = 1 / (classes * len(parts))
            influence[positive] += weight * (of_positive - areas[-1]) / len(positive)
            influence[negative] += weight * (of_negative - areas[-1]) / len(negative)
        by_class.append(float(np.mean(areas)) if areas else 0.5)
    return _Area(float(np.mean(by_class)), float(np.sqrt((influence**2).sum())), tuple(by_class))


def _sides(is_class: NDArray[np.bool_], folds: _Numbers) -> Iterator[tuple[_Numbers, _Numbers]]:
    for fold in range(FOLDS):
        inside = folds == fold
        yield (inside & is_class).nonzero()[0], (inside & ~is_class).nonzero()[0]


def _placements(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the others below each value, ties by half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * len(others))


def _model(features: Features, labels: _Numbers, seed: int) -> object:
    """Shallow trees, boosted; the more classes, the fewer iterations, since each makes a tree a class."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # slow to import

    classes, smallest = len(np.unique(labels)), int(np.bincount(labels)[np.unique(labels)].min())
    trees = 1 if classes == 2 else classes
    return HistGradientBoostingClassifier(
        max_depth=3,
        learning_rate=0.3,
        max_iter=max(3, min(_TREES, 8 * _TREES // trees)),
        min_samples_leaf=max(1, min(20, smallest // 4)),
        categorical_features=features.categorical if features.categorical.any() else None,
        class_weight="balanced",
        early_stopping=False,
        random_state=seed,
    )


def _out_of_fold(
    features: Features, labels: _Numbers, folds: _Numbers, seed: int
) -> tuple[NDArray[np.float64], dict[int, object]]:
    """Probability of each class for each file by trees that did not see its fold, and these trees."""
    scores = np.zeros((len(labels), int(labels.max()) + 1))
    models = {}
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        seen = np.unique(labels[train])
        if len(seen) < 2:
            scores[np.ix_(test, seen)] = 1.0
            continue
        model: object = _model(features, labels[train], seed)
        model.fit(features.values[train], labels[train])  # type: ignore[attr-defined]
        scores[np.ix_(test, seen)] = model.predict_proba(features.values[test])  # type: ignore[attr-defined]
        models[int(fold)] = model
    return scores, models


def _area_alone(values: NDArray[np.float64], labels: _Numbers, folds: _Numbers) -> float:
    """Area of scores that are the classes' shares among the other folds' files of the same values."""
    codes = np.unique(values, axis=0, return_inverse=True)[1].reshape(-1)
    counts = np.zeros((FOLDS, int(codes.max()) + 1, int(labels.max()) + 1))
    np.add.at(counts, (folds, codes, labels), 1)
    others = counts.sum(0) - counts
    shares = (others + 1e-9) / (others + 1e-9).sum(2, keepdims=True)
    return _area(shares[folds, codes], labels, folds).mean


def _sample(labels: _Numbers, groups: _Numbers, draws: np.random.Generator) -> _Numbers:
    """At most `SAMPLE` files, classes in proportion, none of a class dropped to fewer than two."""
    if len(labels) <= SAMPLE:
        return np.arange(len(labels))
    chosen = []
    for c in range(int(labels.max()) + 1):
        members = (labels == c).nonzero()[0]
        chosen.append(draws.permutation(members)[: max(2, round(SAMPLE * len(members) / len(labels)))])
    return np.sort(np.concatenate(chosen))


def _shuffled_area(
    features: Features, labels: _Numbers, groups: _Numbers, some: _Numbers, draws: np.random.Generator, seed: int
) -> float:
    mixed = labels[draws.permutation(len(labels))]
    folds = assign_folds(mixed, groups, draws)
    part = features._replace(values=features.values[some])
    return _area(_out_of_fold(part, mixed, folds, seed)[0], mixed, folds).mean


def _importances(
    features: Features,
    labels: _Numbers,
    folds: _Numbers,
    models: dict[int, object],
    some: _Numbers,
    draws: np.random.Generator,
) -> dict[str, float]:
    """Area lost if a trace's values are shuffled among the files of a fold, the most important trace first."""
    values, labels, folds = features.values[some], labels[some], folds[some]

    def area(changed: NDArray[np.float64]) -> float:
        scores = np.zeros((len(labels), int(labels.max()) + 1))
        for fold, model in models.items():
            test = folds == fold
            if test.any():
                classes = model.classes_  # type: ignore[attr-defined]
                scores[np.ix_(test, classes)] = model.predict_proba(changed[test])  # type: ignore[attr-defined]
        return _area(scores, labels, folds).mean

    whole, lost = area(values), {}
    for name, columns in features.traces.items():
        losses = []
        for _ in range(_PERMUTATIONS):
            changed = values.copy()
            for fold in models:
                members = (folds == fold).nonzero()[0]
                changed[members[:, None], columns] = values[draws.permutation(members)[:, None], columns]
            losses.append(whole - area(changed))
        lost[name] = float(np.mean(losses))
    return dict(sorted(lost.items(), key=lambda item: -item[1]))
