"""Latency and test accuracy of trained networks, packed and in torch."""

from pathlib import Path
from typing import NamedTuple

from benchmarks.front_page import groups, mean

RESULTS = {
    "mnist_joint_codes": "mnist",
    "mnist_baseline": "mnist",
    "speech_lyra_binary": "speech",
    "speech_vq_lookup_binary": "speech",
}
"""Files of results, by run."""
TWINS = {"speech_lyra_binary": "speech_lyra_float"}
"""Runs of float networks that are the peers' float twins."""


class Latency(NamedTuple):
    """Milliseconds of one example.

    Attributes:
        packed: Of the packed network.
        torch: Of the network as it was trained.
        twin: Of its float twin, in torch or onnxruntime, whichever is faster.
    """

    packed: float
    torch: float
    twin: float


def draw(path: Path, latencies: dict[str, Latency]) -> None:
    """Accuracies are those of ``docs/results``, means over seeds or folds."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    with matplotlib.rc_context({"svg.hashsalt": "packed", "font.size": 9}):
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        for axes, results in zip(figure.subplots(1, 2), ("mnist", "speech"), strict=True):
            known = groups(results)
            names = [name for name in latencies if RESULTS.get(name) == results]
            for i, name in enumerate(names):
                taken, accuracy = latencies[name], 100 * mean(known[name], "test_acc")
                axes.plot(taken[:2], [accuracy] * 2, color=f"C{i}", linewidth=1, label=name)
                axes.plot(taken.packed, accuracy, "s", color=f"C{i}")
                axes.plot(taken.torch, accuracy, "o", color=f"C{i}", mfc="none")
                if name in TWINS:
                    axes.plot(taken.twin, 100 * mean(known[TWINS[name]], "test_acc"), "D", color=f"C{i}", mfc="none")
            axes.set_xscale("log")
            axes.set_title({"mnist": "MNIST", "speech": "Speech"}[results])
            axes.set_xlabel("milliseconds from code to logits")
            axes.set_ylabel("test accuracy, %")
            axes.grid(alpha=0.2)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(loc="upper left", bbox_to_anchor=(-0.15, -0.2), frameon=False)
        kinds = [("s", "k", "packed"), ("o", "none", "in torch"), ("D", "none", "float twin, the faster engine")]
        markers = [Line2D([], [], marker=marker, color="k", mfc=fill, linestyle="") for marker, fill, _ in kinds]
        figure.legend(markers, [name for *_, name in kinds], loc="outside upper center", ncols=3, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})
