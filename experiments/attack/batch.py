"""One batch of examples: two networks, each by all routes, and what any search found tried on all others."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from experiments.attack.measures import Columns, frequencies, record
from experiments.attack.routes import Medium, Route, Stored
from experiments.attack.search import search, sizes
from lossy_lightning.attacks import Least


class Found(NamedTuple):
    """The least changes of one network by one route.

    Attributes:
        route: The route.
        least: By measure.
    """

    route: Route
    least: dict[str, Least]


def attack_batch(
    medium: Medium, nets: dict[str, nn.Module], signal: Tensor, target: Tensor, seed: int
) -> tuple[dict[str, Columns], dict[str, Tensor]]:
    """Least changes of a batch.

    Args:
        medium: Of the files.
        nets: ``samples`` and ``codes``: the networks on decoded samples and on codes.
        signal: ``(N, *signal)``, integer; both networks get their files right.
        target: ``(N,)``.
        seed: Of random starts.

    Returns:
        Columns by ``network: route: measure``, and the adversarial signals of each.
    """
    clean = medium.write(medium.encode(signal))
    everything: dict[str, list[Found]] = {}
    pool: list[Tensor] = []  # signals of files that fooled any network
    for name, net in nets.items():
        everything[name] = []
        for route in medium.routes(name == "samples", net, signal):
            known = _nearest(route, pool, clean, signal, target)
            least = search(route, target, medium.measures[route.name], known, seed)
            everything[name].append(Found(route, least))
            pool += [route.write(each.code).signal for each in least.values()]
    columns: dict[str, Columns] = {}
    pictures: dict[str, Tensor] = {}
    for name, all_found in everything.items():
        for found in all_found:
            for measure, least in found.least.items():
                best = _offered(found.route, measure, least, pool, clean, signal, target)
                key = f"{name}: {found.route.name}: {measure}"
                columns[key], pictures[key] = _recorded(found.route, best, clean)
    return columns, pictures


def mapped(route: Route, seen: Tensor, clean: Stored, signal: Tensor) -> Tensor:
    """A signal that a file holds as something that may be handed to a route."""
    if route.name == "codes":
        assert route.encode is not None
        code = route.encode(seen)
        return code if route.fixed is None else torch.where(route.fixed(route.clean), route.clean, code)
    move = seen.int() - clean.signal.int()
    base = clean.signal if route.name == "samples" else signal
    least, most = torch.iinfo(base.dtype).min, torch.iinfo(base.dtype).max
    return (base.int() + move).clamp(least, most).to(base.dtype)


def _nearest(route: Route, pool: list[Tensor], clean: Stored, signal: Tensor, target: Tensor) -> Tensor | None:
    """Of all that is known, for each example the smallest change that fools the network."""
    if not pool:
        return None
    best = Least(route.clean.clone(), torch.full((len(signal),), -1, dtype=torch.int64))
    return _offered(route, "greatest", best, pool, clean, signal, target).code


def _offered(
    route: Route, measure: str, least: Least, pool: list[Tensor], clean: Stored, signal: Tensor, target: Tensor
) -> Least:
    """A search's result, or what others found if it is smaller."""
    size, index = sizes(route)[measure], torch.arange(len(signal))
    for seen in pool:
        moved = mapped(route, seen, clean, signal)
        least = least.offer(index, moved, route.fooled_by_files(moved, target), size(route.clean, moved))
    return least


def _recorded(route: Route, least: Least, clean: Stored) -> tuple[Columns, Tensor]:
    """What is kept of a search, and its signals."""
    base = route.write(route.clean) if route.name == "samples" else clean
    moved = route.write(least.code)
    columns = record(base, moved, least.size >= 0, least.size)
    if route.name != "samples":
        columns["frequencies"] = frequencies(base.code, moved.code)
    return columns, moved.signal
