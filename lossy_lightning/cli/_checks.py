"""Checks of a parsed configuration, and of what went wrong as its classes were made."""

import inspect
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from jsonargparse import Namespace, dict_to_namespace
from jsonargparse._util import import_object
from torch import nn

from lossy_lightning.cli._names import short_name
from lossy_lightning.core import InputError, MissingFileError, UserError

_Made = TypeVar("_Made")


def check_checkpoint(config: Namespace) -> None:
    """Check that a checkpoint that is asked for is there, before anything is made.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint, one of other networks than the configuration's, or "best", which only the
            process of the fit knows.
    """
    given = config[config.subcommand].get("ckpt_path") if config.get("subcommand") else None
    if given is None or given in ("last", "hpc") or "://" in str(given) or str(given).startswith("registry"):
        return
    path = Path(given)
    if given == "best" and not path.exists():
        raise InputError("ckpt_path is 'best', which only the process of the fit knows; give the file of a checkpoint")
    if not path.exists():
        raise MissingFileError(f"ckpt_path is {given}, but there is no such file in {path.absolute().parent}")
    if path.is_dir() and not any((path / name).exists() for name in ("meta.pt", ".metadata", "latest")):
        raise InputError(f"ckpt_path is {given}, a folder; give a file in it, such as epoch=9-step=100.ckpt")
    if path.is_file():
        kept = check_content("ckpt_path", path).get("hyper_parameters") or {}
        _check_networks(path, config[config.subcommand].get("model"), kept)


def _check_networks(path: Path, model: Any, kept: dict[str, Any]) -> None:
    """Check that a configuration names the networks of a checkpoint, whose hyperparameters Lightning takes instead."""
    whole = dict_to_namespace({"class_path": kept.get("_class_path"), "init_args": kept})
    trained = {key: name for key, name, _ in _made(whole, "model")}
    for key, name, _ in _made(model, "model"):
        made, other = import_object(name), trained.get(key, name)
        if inspect.isclass(made) and issubclass(made, nn.Module) and short_name(other) != short_name(name):
            raise InputError(
                f"ckpt_path is {path}, whose {key} is {short_name(other)}, but the configuration's is "
                f"{short_name(name)}; give the configuration that it was trained with, or another checkpoint"
            )


def check_content(option: str, path: Path) -> dict[str, Any]:
    """Check that a file is a whole checkpoint of Lightning; returns what it holds.

    Args:
        option: That names it.
        path: The file.

    Raises:
        ValueError: If it is none.
    """
    if not zipfile.is_zipfile(path):
        raise InputError(f"{option} is {path}, which is no checkpoint, or only a part of one")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)  # reads no tensors
    except (pickle.UnpicklingError, RuntimeError) as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f", {found[1]} among it" if found else ""
        raise InputError(
            f"{option} is {path}, which holds more than weights and plain values{what}, so it is not read: name a "
            "checkpoint that lossy-lightning fit wrote"
        ) from error
    if not isinstance(content, dict) or not {"state_dict", "pytorch-lightning_version"} <= content.keys():
        raise InputError(f"{option} is {path}, which is no checkpoint of Lightning: it lacks state_dict or a version")
    return content


def check_functions(config: Namespace) -> None:
    """Check that a function that makes a part of a model is named alone.

    Raises:
        ValueError: If it has init_args: the parser would call it at once, without what it is to fit.
    """
    for key, name, arguments in _made(config, ""):
        function = import_object(name)
        if inspect.isclass(function):
            continue
        parameters = inspect.signature(function).parameters.values()
        late = [each.name for each in parameters if each.default is each.empty and arguments.get(each.name) is None]
        if late:
            raise InputError(
                f"{key} is the function {name} with a class_path, which would be called before {' and '.join(late)} "
                f"are known; name it alone, {key.rpartition('.')[2]}: {name}, or write a class if it has init_args"
            )


def _made(config: Any, key: str) -> Iterator[tuple[str, str, Any]]:
    """Key, class_path and init_args of all that a configuration makes."""
    if isinstance(config, list):
        for i, each in enumerate(config):
            yield from _made(each, f"{key}[{i}]")
    if isinstance(config, Namespace):
        if isinstance(name := config.get("class_path"), str):
            yield key, name, config.get("init_args") or {}
        for name, each in vars(config).items():
            yield from _made(each, key if name == "init_args" else f"{key}.{name}".lstrip("."))


def without_pages(make: Callable[[], _Made]) -> _Made:
    """What the parser makes of a configuration.

    Raises:
        UserError: A mistake in the arguments of a class, without the parser's page around it.
    """
    try:
        return make()
    except (ValueError, ImportError) as page:
        mistake = _mistake_in(page)
        if mistake is None:
            raise
    raise mistake  # outside the handler, or the page would be its context


def _mistake_in(page: BaseException) -> UserError | None:
    """The mistake that the parser's page is about, if it is one: an error of ours, or a package that is missing."""
    cause: BaseException | None = page
    while cause is not None:
        if isinstance(cause, UserError):
            return cause
        if isinstance(cause, ModuleNotFoundError) and cause.name is None:  # Lightning's own words of what to install
            return InputError(" ".join(str(cause).split()))
        cause = cause.__cause__
    return None
