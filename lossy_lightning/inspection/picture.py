"""Pictures of codes beside the signals that they stand for."""

import base64
import html
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.core import Field, InputError
from lossy_lightning.core.files import write_atomically
from lossy_lightning.inspection.coded_file import CodedFile

_BLOCKS = {size**2: size for size in (4, 8, 16, 32)}  # sides of blocks by their channels
_MAX_FIELDS = 4
_CATEGORIES = 20  # colours that the eye tells apart
_MAX_SIDE = 1024  # values of a picture's side; more would not be seen


def draw(file: CodedFile) -> bytes:
    """A PNG picture: the decoded signal, and the first four fields of its code that hold more than one value.

    Blocks of ordinal channels, 4 x 4 to 32 x 32, are laid out as the image is, coefficient (0, 0) at the upper left of
    each. Codes of sounds run from left to right, channels and rows of frequency from below. Signs are red and blue, on
    a scale that is linear to ±1 and logarithmic beyond. Categories have colours of their own, 20 at most. Of a long
    sound every k-th position is drawn.

    Args:
        file: As `open_file` gives it.

    Raises:
        ValueError: If Matplotlib is missing; the message says how to install it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError('pictures need Matplotlib: pip install "lossy-lightning[report]"') from error
    parts = file.spec.split(file.code)
    fields = [field for field in file.spec.fields if not field.constant and _varies(parts[field.name])][:_MAX_FIELDS]
    image = len(file.shape) == 3
    count = 1 + len(fields)
    figure = Figure(figsize=(3.4 * count, 3.6) if image else (8, 1.9 * count), layout="constrained")
    axes = figure.subplots(1, count) if image else figure.subplots(count, 1)
    _draw_signal(np.atleast_1d(axes)[0], file)
    for place, field in zip(np.atleast_1d(axes)[1:], fields, strict=True):
        _draw_field(place, field, parts[field.name], file)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120, bbox_inches="tight", metadata={"Software": None})
    return picture.getvalue()


def write_page(path: Path, file: CodedFile, text: str) -> None:
    """Write the picture and a description as one HTML file that needs no other."""
    picture = base64.b64encode(draw(file)).decode()
    name = html.escape(file.path.name)
    write_atomically(
        path,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{name}</title><style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui;margin:1rem auto;"
        "max-width:75rem;padding:0 1rem}h1{overflow-wrap:anywhere}div,pre{overflow-x:auto}"
        "img{width:100%;min-width:48rem;max-width:60rem;background:#fff}</style>"
        f"<h1>{name}</h1><div><img alt='The decoded signal and its code' src='data:image/png;base64,{picture}'></div>"
        f"<pre>{html.escape(text)}</pre></html>\n",
    )


def _varies(values: Tensor) -> bool:
    return bool((values != values.flatten()[0]).any())


def _draw_signal(axes: Any, file: CodedFile) -> None:
    signal = file.decode()
    if len(file.shape) == 3:
        pixels = signal.movedim(0, -1) if signal.shape[0] == 3 else signal[0]
        axes.imshow(pixels.numpy(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        _label(axes, "decoded", f"{signal.dtype} {tuple(signal.shape)}".removeprefix("torch."))
        return
    rate = file.codec.sample_rate
    time = np.arange(signal.shape[-1]) / (rate or 1)
    axes.plot(time, signal[0].numpy(), linewidth=0.4)
    axes.set_xlim(0, time[-1])
    axes.set_title("decoded", fontsize=10, family="monospace", loc="left")
    axes.set_xlabel("seconds" if rate else "samples", fontsize=8)
    axes.tick_params(labelsize=7)


def _draw_field(axes: Any, field: Field, values: Tensor, file: CodedFile) -> None:
    """One field of a file's code, ``(channels, *grid)``."""
    from matplotlib import colormaps
    from matplotlib.colors import SymLogNorm

    image = len(file.shape) == 3
    picture = _laid_out(field, values) if image else _over_time(values)
    largest = max(int(np.abs(picture).max()), 2)
    options: dict[str, Any] = {"interpolation": "nearest", "aspect": "equal" if image else "auto"}
    if not field.ordinal:
        colours = min(max(field.high) + 1, _CATEGORIES)
        options |= {"cmap": colormaps["tab20"].resampled(colours)}
        picture = np.where(picture < 0, np.nan, picture % colours)
    elif min(field.low) < 0:
        options |= {"cmap": "RdBu_r", "norm": SymLogNorm(1, vmin=-largest, vmax=largest)}
    else:
        options |= {"cmap": "viridis"}
    if not image:
        options["origin"] = "lower"
        axes.set_ylabel("channel" if values.ndim == 2 else "channel, row", fontsize=8)
    axes.imshow(picture, **options)
    shape = " x ".join(map(str, values.shape))
    _label(axes, field.name, f"{str(file.code.dtype).removeprefix('torch.')} {shape}")


def _laid_out(field: Field, values: Tensor) -> NDArray[np.float64]:
    """A field of an image as a matrix: blocks in their places, other channels side by side."""
    side = _BLOCKS.get(len(values)) if field.ordinal else None
    if side is None:
        matrix = values.movedim(0, 1).flatten(1)
    else:
        rows, columns = values.shape[1:]
        matrix = values.reshape(side, side, rows, columns).permute(2, 0, 3, 1).reshape(side * rows, side * columns)
    drawn: NDArray[np.float64] = matrix.double().numpy()
    return drawn


def _over_time(values: Tensor) -> NDArray[np.float64]:
    """A field of a sound as a matrix: channels, and rows of frequency in them, by time."""
    matrix = values.flatten(0, -2)
    steps = [max(1, -(-side // _MAX_SIDE)) for side in matrix.shape]
    drawn: NDArray[np.float64] = matrix[:: steps[0], :: steps[1]].double().numpy()
    return drawn


def _label(axes: Any, name: str, form: str) -> None:
    axes.set_title(name, fontsize=10, family="monospace", loc="left")
    axes.set_xlabel(form, fontsize=8)
    axes.set_xticks([])
    axes.set_yticks([])
