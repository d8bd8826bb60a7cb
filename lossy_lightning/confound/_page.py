"""What was found as one HTML page with pictures in it."""

from collections.abc import Sequence
from html import escape

from lossy_lightning.confound._evidence import Evidence
from lossy_lightning.confound._pictures import pictures
from lossy_lightning.confound._text import remedies, verdict

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid #8884; }
svg { width: 100%; height: auto; }
"""


def as_html(found: Evidence) -> str:
    """The page."""
    drawn = pictures(found)
    parts = [
        "<h1>Does the encoder give the class away?</h1>",
        f"<p><b>{escape(verdict(found))}</b></p>",
        f"<p>{found.num_files} files of {len(found.classes)} classes in {found.num_groups} groups. Balanced accuracy "
        f"{100 * found.traces.balanced_accuracy:.1f} %; chance is {100 / len(found.classes):.1f} %.</p>",
        "<h2>Prediction of the class</h2>",
        drawn["prediction"],
        "<p>Bars are areas under the ROC curve with 95 % intervals; the grey band holds the areas of shuffled labels. "
        "Bytes per sample decides nothing: what is in a picture or a sound moves it honestly.</p>",
        *(_evidence(found, drawn["traces"]) if "traces" in drawn else ()),
        "<h2>What to do</h2>",
        f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in remedies(found))}</ul>",
        _table("Files", ("class", "files"), [(name, str(count)) for name, count in found.classes.items()]),
    ]
    if found.left_out:
        rows = [(reason, str(len(files)), ", ".join(files[:20])) for reason, files in found.left_out.items()]
        parts.append(_table("Files left out", ("reason", "number", "the first of them"), rows))
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Does the encoder give the class away?</title><style>{_STYLE}</style>"
    )
    body = "\n".join(parts)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _evidence(found: Evidence, drawn: str) -> list[str]:
    """Which traces tell the class, and what they look like."""
    areas = [(name, f"{area:.3f}", f"{found.traces.importances[name]:.3f}") for name, area in found.matter.items()]
    traits = [
        (trait.label, trait.text, f"{100 * trait.share:.0f} %", f"{100 * trait.share_elsewhere:.0f} %")
        for trait in found.traits
    ]
    return [
        "<h2>By what</h2>",
        drawn,
        "<p>Area of each trace alone: how often each of its values goes with each class.</p>",
        _table("Importance", ("trace", "area alone", "area lost if it is shuffled"), areas),
        _table("What most files of a class look like", ("class", "files", "share", "share elsewhere"), traits),
    ]


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<h2>{escape(title)}</h2><div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
