"""What was found, in words."""

from collections.abc import Mapping, Sequence

from lossy_lightning.confound._evidence import Evidence

_MOST_CLASSES = 12
_MOST_FILES = 3


def verdict(found: Evidence) -> str:
    """One sentence on whether the encoder gives classes away."""
    area, (low, high) = found.traces.auc, found.traces.interval
    told = f"macro AUC {area:.3f}, 95 % interval {low:.3f} to {high:.3f}; 0.5 is chance"
    if low > 0.6:
        return f"Headers give the class away: a network can learn the encoder in place of the content ({told})."
    if low > 0.5:
        return f"Headers tell a little of the class, more than chance ({told})."
    return f"Headers tell nothing of the class beyond chance ({told})."


def remedies(found: Evidence) -> list[str]:
    """What to do about the traces that matter."""
    if found.traces.interval[0] <= 0.5:
        return ["Nothing has to be done."]
    advice = [
        "Encode all files again at one setting; for JPEG, lossy-lightning confound SOURCE --remedy FOLDER writes such "
        "a copy. Traces of the first encoding stay in the pixels, fainter.",
        "Or vary the quality at random in training, from the image and independently of the class "
        "(torchvision.transforms.v2.JPEG as the transform of an ImageFolder), and test at each quality by itself.",
        "Or split by encoder, so that no class has settings of its own in training that it lacks in the test.",
    ]
    if "size" in found.matter:
        advice.append("Sizes differ by class: crop or scale all images to one size before they are encoded again.")
    if "sampling rate" in found.matter or "channels and mode" in found.matter:
        advice.append("Resample and mix all sounds to one rate and number of channels.")
    return advice


def as_text(found: Evidence) -> str:
    """A few lines for a terminal."""
    lines = [verdict(found), ""]
    shuffled = found.traces.shuffled
    lines.append(
        f"{found.num_files} files of {len(found.classes)} classes; balanced accuracy "
        f"{100 * found.traces.balanced_accuracy:.1f} %, chance {100 / len(found.classes):.1f} %; "
        f"shuffled labels: {min(shuffled):.3f} to {max(shuffled):.3f}"
    )
    for name, area in found.matter.items():
        lines.append(
            f"  {name}: AUC {area:.3f} alone; {found.traces.importances[name]:.3f} is lost if they are shuffled"
        )
    for trait in found.traits[:_MOST_CLASSES]:
        inside, outside = (f"{100 * share:.0f} %" for share in (trait.share, trait.share_elsewhere))
        lines.append(f"  class {trait.label}: {inside} {trait.text} (elsewhere {outside})")
    if len(found.traits) > _MOST_CLASSES:
        lines.append(f"  … and {len(found.traits) - _MOST_CLASSES} more classes")
    low, high = found.size.interval
    lines.append(
        f"Bytes per sample, beside it: macro AUC {found.size.auc:.3f} ({low:.3f} to {high:.3f}). Content moves it "
        "honestly, so it decides nothing."
    )
    return "\n".join([*lines, *left_out_lines(found.left_out)])


def left_out_lines(left_out: Mapping[str, Sequence[str]]) -> list[str]:
    """A line for each reason, with the first files."""
    lines = []
    for reason, files in left_out.items():
        more = f" and {len(files) - _MOST_FILES} more" if len(files) > _MOST_FILES else ""
        lines.append(f"left out, {len(files)}: {reason} ({', '.join(files[:_MOST_FILES])}{more})")
    return lines
