"""Every public class has an example; pytest runs those of all docstrings."""

import importlib
import inspect
import pkgutil
from enum import Enum

import lossy_lightning


def public_classes():
    """Name and class of all that users import from a room."""
    for _, room, is_package in pkgutil.walk_packages(lossy_lightning.__path__, "lossy_lightning."):
        if is_package and "._" not in room:
            module = importlib.import_module(room)
            members = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
            yield from ((f"{room}.{name}", found) for name, found in members.items() if inspect.isclass(found))


def speaks_for_itself(found):
    """Whether it is an error, a choice or a record; or what others are made of, with examples of their own."""
    return issubclass(found, (BaseException, Enum, tuple)) or inspect.isabstract(found)


def test_every_public_class_has_an_example_that_runs():
    told = {name: found.__doc__ or "" for name, found in public_classes() if not speaks_for_itself(found)}
    assert {"lossy_lightning.codecs.JPEG", "lossy_lightning.data.JPEGFolder"} <= set(told)
    assert len(told) > 150
    assert [name for name, text in told.items() if ">>> " not in text or "+SKIP" in text] == []
