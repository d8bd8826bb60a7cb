"""What README.md shows first: its table of results and its two pictures.

    python -m benchmarks.front_page

The table is made of `docs/results/` and of the table `complexity-gpu` in docs/numbers.md; the pictures are written into
`docs/pictures/`. Nothing is trained, and no data are needed.
"""

import argparse
import re
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.tables import update_table
from lossy_lightning.codecs import JPEG, PCM, VQ
from lossy_lightning.report import Group, as_markdown, group_runs, read_runs

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


class Row(NamedTuple):
    """A run of a file of results.

    Attributes:
        data: Name of the data set.
        reads: What the network reads, and of which kind it is.
        results: File in `docs/results/`, without its ending.
        run: The run's name there.
        fixed: What making the code takes that is no multiply-accumulate of anything learned.
    """

    data: str
    reads: str
    results: str
    run: str
    fixed: str = ""


ROWS = [
    Row("MNIST", "pixels, Larq's binary CNN", "mnist", "mnist_baseline"),
    Row("MNIST", "learned codes, float network", "mnist", "mnist_joint_float_codes"),
    Row("MNIST", "learned codes, all binary", "mnist", "mnist_joint_field_codes"),
    Row("MNIST", "k-means codes, looked up, binary tail", "mnist", "mnist_vq_lookup_bnn"),
    Row("Speech", "log spectrogram, float CNN", "speech", "speech_spectrogram_resnet", "FFT"),
    Row("Speech", "Lyra's codes, looked up, float", "speech", "speech_lyra_float"),
    Row("Speech", "Lyra's codes, looked up, binary tail", "speech", "speech_lyra_binary"),
    Row("Speech", "spectrogram codes, looked up, all binary", "speech", "speech_vq_lookup_binary", "FFT"),
]
JPEG_ROWS = {
    "pixels": ("decoded pixels, 2x2 side by side", PCM().spec((3, 32, 32)), "JPEG decoder"),
    "pixels at half size": ("pixels decoded at half size", PCM().spec((3, 16, 16)), "JPEG decoder"),
    "codes": ("JPEG coefficients, same layers", JPEG(75, "4:4:4").spec((3, 32, 32)), "none"),
}


def groups(results: str) -> dict[str, Group]:
    """The groups of a file of results, by name."""
    return {group.name: group for group in group_runs(read_runs([DOCS / "results" / f"{results}.json"]))}


def mean(group: Group, name: str) -> float:
    """Mean of a logged name over a group's runs, 0 if none logged it."""
    summary = group.summary(name)
    return summary.mean if summary else 0.0


def macs(group: Group, part: str = "") -> dict[int, float]:
    """MACs of a group's network by bit width, or of "encoding" or "sensor_to_label", those that it has."""
    found = {width: mean(group, f"macs/{part}{'/' * bool(part)}{width}bit") for width in (32, 16, 8, 1)}
    return {width: count for width, count in found.items() if count}


def by_width(counts: dict[int, float]) -> str:
    """MACs in words, the widest first.

    Example:
        >>> by_width({32: 194_688, 1: 2_599_552}), by_width({})
        ('195 k of 32 bit, 2.60 M of 1 bit', '0')
    """
    return ", ".join(f"{short(count)} of {width} bit" for width, count in counts.items()) or "0"


def short(number: float) -> str:
    """A number of three digits.

    Example:
        >>> short(2_599_552), short(194_688), short(102_105_600), short(0)
        ('2.60 M', '195 k', '102 M', '0')
    """
    for factor, unit in ((1e6, " M"), (1e3, " k")):
        if number >= factor:
            scaled = number / factor
            return f"{scaled:.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f}{unit}"
    return f"{number:.0f}"


def table() -> str:
    """The table of README.md."""
    heads = ["what the network reads", "test accuracy, %", "container bits"]
    rows = [[*heads, "MACs of the network", "MACs of the code", "MACs, sensor to label"]]
    rows += [_row(row) for row in ROWS if row.data == "MNIST"]
    rows += _jpeg_rows()
    rows += [_row(row) for row in ROWS if row.data != "MNIST"]
    return as_markdown(rows)


def _row(row: Row) -> list[str]:
    group = groups(row.results)[row.run]
    accuracy = group.summary("test_acc")
    assert accuracy is not None
    encoding = macs(group, "encoding")
    told = by_width(encoding) if encoding or not row.fixed else ""
    return [
        f"{row.data}: {row.reads}",
        f"{100 * accuracy.mean:.2f} ± {100 * (accuracy.deviation or 0):.2f}",
        f"{mean(group, 'rate/container_bits'):,.0f}".replace(",", " "),
        by_width(macs(group)),
        " and ".join(filter(None, [row.fixed, told])),
        by_width(macs(group, "sensor_to_label")),
    ]


def _jpeg_rows() -> list[list[str]]:
    """Rows of a table that is in docs/numbers.md already."""
    text = (DOCS / "numbers.md").read_text()
    place = re.search(r"<!-- table complexity-gpu -->(.*?)<!-- end of table -->", text, re.DOTALL)
    assert place is not None
    told = {cells[1]: cells for line in place[1].splitlines() if len(cells := re.split(r"\s*\|\s*", line)) > 3}
    rows = []
    for name, (reads, spec, cost) in JPEG_ROWS.items():
        macs_told = f"{told[name][3]} of 32 bit"  # that study tests in float32
        bits = f"{spec.num_bits:,}".replace(",", " ")
        rows.append([f"CIFAR-10: {reads}", told[name][2], bits, macs_told, cost, macs_told])
    return rows


def draw_code(path: Path) -> None:
    """A photo beside two of its codes."""
    from matplotlib import colormaps
    from matplotlib.colors import SymLogNorm
    from matplotlib.figure import Figure
    from sklearn.datasets import load_sample_image

    photo = torch.from_numpy(load_sample_image("flower.jpg").copy()).permute(2, 0, 1)[:, 80:336, 200:456]
    quarter = torch.nn.functional.avg_pool2d(photo.float(), 2).round().to(torch.uint8)
    jpeg = JPEG(50, chroma_subsampling="4:4:4")
    coefficients = jpeg.encode(quarter)
    rows, columns = coefficients.shape[1:]
    blocks = coefficients[:64].unflatten(0, (8, 8)).permute(2, 0, 3, 1).reshape(8 * rows, 8 * columns)
    vq = VQ(block=(4, 4), levels=16)
    grey = quarter.float().mean(0, keepdim=True).round().to(torch.uint8)
    words = vq.fit([grey[None]]).encode(grey)
    sizes = [quarter.numel(), len(jpeg.write(coefficients, tuple(quarter.shape))), words.numel() / 2]
    signal, file, packed = (f"{size / 1024:.1f} KiB" for size in sizes)
    drawn = [
        (quarter.permute(1, 2, 0), {}, "signal", f"uint8 {tuple(quarter.shape)}\n{signal}"),
        (
            blocks,
            {"cmap": "RdBu_r", "norm": SymLogNorm(linthresh=1, vmin=-64, vmax=64)},
            "JPEG(50)",
            f"luma of int16 {tuple(coefficients.shape)}\na file of {file}",
        ),
        (
            words[0],
            {"cmap": colormaps["tab20"].resampled(16)},
            "VQ((4, 4), 16)",
            f"uint8 {tuple(words.shape)}\n{packed} at 4 bits",
        ),
    ]
    figure = Figure(figsize=(7.2, 2.95), layout="constrained")
    for axes, (image, options, name, form) in zip(figure.subplots(1, 3), drawn, strict=True):
        axes.imshow(image.numpy(), interpolation="nearest", **options)
        axes.set_title(name, fontsize=10, family="monospace")
        axes.set_xlabel(form, fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    figure.savefig(path, dpi=120, metadata={"Software": None})


def draw_pareto(path: Path) -> None:
    """Accuracy against MACs, each bit width by itself, and those of making the code."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    with matplotlib.rc_context({"svg.hashsalt": "pareto", "font.size": 9}):
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        for axes, data in zip(figure.subplots(1, 2), ("MNIST", "Speech"), strict=True):
            for i, row in enumerate(row for row in ROWS if row.data == data):
                _draw_row(axes, row, "0.35" if i == 0 else f"C{i - 1}")
            axes.set_xscale("log")
            axes.set_title(data)
            axes.set_xlabel("MACs an example")
            axes.set_ylabel("test accuracy, %")
            axes.grid(alpha=0.2)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(loc="upper left", bbox_to_anchor=(-0.15, -0.2), frameon=False)
        kinds = [
            ("s", "k", "1-bit MACs"),
            ("o", "k", "16-bit or 32-bit MACs"),
            ("D", "none", "MACs of making the code"),
        ]
        markers = [Line2D([], [], marker=marker, color="k", mfc=fill, linestyle="") for marker, fill, _ in kinds]
        figure.legend(markers, [name for *_, name in kinds], loc="outside upper center", ncols=3, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _draw_row(axes: Any, row: Row, colour: str) -> None:
    group = groups(row.results)[row.run]
    accuracy = group.summary("test_acc")
    assert accuracy is not None
    points = [("s" if width == 1 else "o", colour, count) for width, count in macs(group).items()]
    points += [("D", "none", count) for count in [sum(macs(group, "encoding").values())] if count]
    y, spread = 100 * accuracy.mean, 100 * (accuracy.deviation or 0)
    axes.plot([x for *_, x in points], [y] * len(points), color=colour, linewidth=1, label=row.reads)
    for marker, fill, x in points:
        axes.errorbar(x, y, spread, fmt=marker, color=colour, mfc=fill, markersize=6, elinewidth=1, capsize=2)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    update_table(ROOT / "README.md", "readme", table())
    draw_code(DOCS / "pictures" / "code.png")
    draw_pareto(DOCS / "pictures" / "pareto.svg")


if __name__ == "__main__":
    main()
