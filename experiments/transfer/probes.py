"""Small classifiers of features that are not trained: a linear one and one hidden layer, on few examples of each class.

Features are centred and scaled by mean and deviation of the very examples that are trained on; a deviation counts as a
tenth of the greatest at least. Nothing else is tuned on anything but these examples.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[Any]
SIZES = (1, 2, 5, 10, 20, None)
"""Examples of each class; None: all."""
HIDDEN, STEPS, RATE, DECAY, BATCH = 128, 200, 2e-3, 0.05, 256
PENALTIES = tuple(10.0**k for k in range(-3, 7))


def drawn(labels: Array, number: int | None, seed: int) -> Array:
    """Places of so many examples of each class, drawn at random."""
    if number is None:
        return np.arange(len(labels))
    generator = np.random.default_rng(seed)
    return np.concatenate([generator.choice(np.flatnonzero(labels == c), number, False) for c in np.unique(labels)])


def scaled(train: Array, test: Array) -> tuple[Array, Array]:
    """Both by mean and deviation of the first, float32."""
    train = train.astype(np.float32)
    mean, deviation = train.mean(0), train.std(0)
    deviation = np.maximum(deviation, 0.1 * deviation.max() + 1e-6)
    return (train - mean) / deviation, (test.astype(np.float32) - mean) / deviation


def linear(train: Array, labels: Array, test: Array) -> Array:
    """Classes of test examples by ridge regression to signs, its penalty by leaving one example out.

    Source: Hastie, Tibshirani, Friedman, The elements of statistical learning, 2009, equation 7.64 (leaving one out).
    """
    classes = np.unique(labels)
    targets = (2.0 * (labels[:, None] == classes) - 1).astype(np.float32)
    centre = targets.mean(0)
    residual = targets - centre
    wide = train.shape[1] > len(train)
    values, vectors = np.linalg.eigh(train @ train.T if wide else train.T @ train)
    values = np.maximum(values, 0)
    left = vectors if wide else train @ vectors / np.sqrt(np.maximum(values, 1e-6 * values.max()))
    known = left.T @ residual
    best, least = PENALTIES[0], np.inf
    for penalty in PENALTIES:
        shrunk = values / (values + penalty)
        fitted = left @ (shrunk[:, None] * known)
        own = np.clip(np.square(left) @ shrunk + 1 / len(train), 0, 1 - 1e-6)  # the mean leans on each example, too
        error = float(np.square((residual - fitted) / (1 - own)[:, None]).mean())
        if error < least:
            best, least = penalty, error
    if wide:
        weights = train.T @ (vectors @ ((vectors.T @ residual) / (values + best)[:, None]))
    else:
        weights = vectors @ ((vectors.T @ (train.T @ residual)) / (values + best)[:, None])
    return np.asarray(classes[(test @ weights + centre).argmax(1)])


def hidden(train: Array, labels: Array, test: Array, seed: int) -> Array:
    """Classes of test examples by a network of one hidden layer."""
    torch.manual_seed(seed)
    classes, targets = np.unique(labels, return_inverse=True)
    features, wanted = torch.from_numpy(train), torch.from_numpy(targets)
    model = nn.Sequential(
        nn.Dropout(0.2), nn.Linear(train.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, len(classes))
    )
    steps = max(STEPS, 5 * len(train) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(steps):
        chosen = slice(None) if len(train) <= BATCH else torch.randint(len(train), (BATCH,))
        loss = F.cross_entropy(model(features[chosen]), wanted[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        cycle.step()
    with torch.no_grad():
        logits: Tensor = model.eval()(torch.from_numpy(test))
    return np.asarray(classes[logits.argmax(1).numpy()])


def accuracies(
    train: Array, labels: Array, test: Array, test_labels: Array, number: int | None, seed: int
) -> dict[str, float]:
    """Accuracy of both probes in percent, of one draw."""
    chosen = drawn(labels, number, seed)
    own, others = scaled(train[chosen], test)
    guessed = {"linear": linear(own, labels[chosen], others), "hidden": hidden(own, labels[chosen], others, seed)}
    return {name: float(100 * (found == test_labels).mean()) for name, found in guessed.items()}


def needed(curve: dict[float, float], accuracy: float) -> float:
    """Examples a class of which a curve reaches an accuracy, by lines over the logarithm; NaN if it does not."""
    points = sorted(curve.items())
    if points[0][1] >= accuracy:
        return points[0][0]
    for (before, low), (after, high) in pairwise(points):
        if low < accuracy <= high:
            share = (accuracy - low) / (high - low)
            return float(before ** (1 - share) * after**share)
    return float("nan")
