"""Areas under the ROC curve as bars, in SVG."""

from collections.abc import Sequence
from html import escape

from lossy_lightning.confound._evidence import Evidence

_Bar = tuple[str, float, tuple[float, float] | None]
_WIDTH, _NAMES, _ROW = 640, 190, 24
_MOST_CLASSES = 12
_STYLE = "text { fill: #757575; font: 12px system-ui, sans-serif }"


def pictures(found: Evidence) -> dict[str, str]:
    """``prediction``: traces, bytes per sample, and each class, if there are more than two; ``traces``: each alone."""
    rows: list[_Bar] = [("traces of the encoder", found.traces.auc, found.traces.interval)]
    rows.append(("bytes per sample", found.size.auc, found.size.interval))
    if len(found.classes) > 2:
        pairs = sorted(zip(found.classes, found.traces.by_class, strict=True), key=lambda pair: -pair[1])
        rows += [(f"traces, class {name}", area, None) for name, area in pairs[:_MOST_CLASSES]]
    drawn = {"prediction": _bars(rows, found.traces.shuffled)}
    if found.matter:
        drawn["traces"] = _bars([(name, area, None) for name, area in found.matter.items()], found.traces.shuffled)
    return drawn


def _bars(rows: Sequence[_Bar], shuffled: Sequence[float]) -> str:
    """Bars from 0 to 1, each with its interval, on a band that holds the areas of shuffled labels."""
    height = _ROW * len(rows) + 8
    told = escape(", ".join(row[0] for row in rows))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{told}">'
        f"<style>{_STYLE}</style>"
    ]
    left, width = _place(min(shuffled)), max(2.0, _place(max(shuffled)) - _place(min(shuffled)))
    parts.append(f'<rect x="{left:.1f}" y="0" width="{width:.1f}" height="{height}" fill="#888" opacity=".5"/>')
    parts += [_bar(row, _ROW * i + 6) for i, row in enumerate(rows)]
    return "".join([*parts, "</svg>"])


def _bar(row: _Bar, y: int) -> str:
    name, value, interval = row
    short = name if len(name) <= 28 else f"{name[:27]}…"
    parts = [f'<text x="{_NAMES - 8}" y="{y + 12}" text-anchor="end">{escape(short)}</text>']
    parts.append(f'<rect x="{_NAMES}" y="{y}" width="{_place(value) - _NAMES:.1f}" height="14" fill="#3b7dd8"/>')
    low, high = interval or (value, value)
    if interval:
        line = f'x1="{_place(low):.1f}" x2="{_place(high):.1f}" y1="{y + 7}" y2="{y + 7}"'
        parts.append(f'<line {line} stroke="#757575" stroke-width="2"/>')
    parts.append(f'<text x="{_place(high) + 6:.1f}" y="{y + 12}">{value:.3f}</text>')
    return "".join(parts)


def _place(value: float) -> float:
    return _NAMES + (_WIDTH - _NAMES - 60) * max(0.0, value)
