"""Codecs and class names, held against the network that they are put beside."""

from collections.abc import Sequence
from typing import Any

from lossy_lightning.core import Codec, CodeSpec, Field, InputError, SignalForm, TrainableCodec
from lossy_lightning.core.arguments import check_names


def check_classes(classes: Sequence[str] | None, num_logits: int) -> tuple[str, ...] | None:
    """Names of classes as a tuple.

    Raises:
        ValueError: If they are not one for each logit, all different.
    """
    if classes is None:
        return None
    check_names("classes", classes)
    if len(classes) != num_logits or len(set(classes)) < len(classes):
        raise InputError(
            f"classes are one name for each logit, all different; got {len(classes)} names, "
            f"{len(set(classes))} different ones, for {num_logits} logits"
        )
    return tuple(classes)


def check_codec(codec: Codec | None, form: SignalForm | None, spec: CodeSpec) -> None:
    """Check that a codec makes the codes of a network, of signals of a form.

    Raises:
        ValueError: If it is none, is not fitted, or makes other codes; names the first difference.
    """
    if not isinstance(codec, Codec) or not isinstance(form, SignalForm):
        raise InputError(
            f"a network's codec is given with the form of its signals, codec=data.codec and form=data.signal_form; got "
            f"{type(codec).__name__} and {type(form).__name__}"
        )
    if isinstance(codec, TrainableCodec) and not codec.fitted:
        raise InputError(f"{codec} is not fitted; give the one that made the network's codes, such as data.codec")
    own = codec.spec(form.shape)
    difference = _difference(own, spec)
    if difference:
        raise InputError(f"{type(codec).__name__} does not make this network's codes: {difference}")


def _difference(own: CodeSpec, spec: CodeSpec) -> str:
    """What tells a codec's codes from those of a network; empty if nothing does."""
    names, wanted = [field.name for field in own.fields], [field.name for field in spec.fields]
    if names != wanted:
        return f"its fields are {', '.join(names)}; those of the network are {', '.join(wanted)}"
    for mine, theirs in zip(own.fields, spec.fields, strict=True):
        told = _field_difference(mine, theirs)
        if told:
            return f"field {mine.name!r} has {told[0]}; the network reads {told[1]}"
    same_axes = len(own.grid) == len(spec.grid)
    if not same_axes or any(want not in (None, size) for size, want in zip(own.grid, spec.grid, strict=True)):
        return f"they are of shape {_sizes(own.shape)}; the network reads {_sizes(spec.shape)}"
    return ""


def _field_difference(mine: Field, theirs: Field) -> tuple[str, str] | None:
    """A codec's side of the first difference, and the network's."""
    for told in (_channels, _kind, _absent):
        if told(mine) != told(theirs):
            return told(mine), told(theirs)
    for low, high, least, greatest in zip(mine.low, mine.high, theirs.low, theirs.high, strict=True):
        # Codes of a narrower range are codes of the wider one; categories are the same ones, or others.
        fits = least <= low and high <= greatest if mine.ordinal else (low, high) == (least, greatest)
        if not fits:
            return f"values {low} to {high}", f"{least} to {greatest}"
    return None


def _channels(field: Field) -> str:
    return f"{field.num_channels} channels"


def _kind(field: Field) -> str:
    return f"{'ordered values' if field.ordinal else 'categories'}{', the same everywhere' * field.constant}"


def _absent(field: Field) -> str:
    return "no value for what is absent" if field.absent is None else f"{field.absent} for what is absent"


def _sizes(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if size is None else str(size) for size in shape)


def fields_as_json(spec: CodeSpec) -> list[dict[str, Any]]:
    """Fields of a spec as plain values; ranges that all channels share are one pair of numbers."""
    told = []
    for field in spec.fields:
        row: dict[str, Any] = field._asdict()
        shared = len(set(field.low)) == len(set(field.high)) == 1
        told.append(row | {"low": field.low[0], "high": field.high[0], "channels": len(field.low)} if shared else row)
    return told


def spec_from_json(fields: list[dict[str, Any]], grid: tuple[int, ...]) -> CodeSpec:
    """The spec that `fields_as_json` wrote."""
    made = []
    for row in fields:
        count = row.get("channels")
        ranges = {} if count is None else {"low": (row["low"],) * count, "high": (row["high"],) * count}
        made.append(Field(**{name: value for name, value in (row | ranges).items() if name != "channels"}))
    return CodeSpec(made, grid)
