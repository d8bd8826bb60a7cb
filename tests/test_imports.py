"""Who may import whom."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

import pytest

import lossy_lightning

PACKAGE = Path(lossy_lightning.__file__).parent
ROOMS = {
    "__init__": set(),
    "__main__": {"cli"},
    "core": set(),
    "testing": {"core"},
    "bitstream": set(),
    "functional": set(),
    "media": set(),
    "tflite": {"core"},
    "profiling": {"core", "functional"},
    "attacks": {"core", "functional"},
    "augmentation": {"core", "functional"},
    "codecs": {"core", "functional", "bitstream", "tflite"},
    "nn": {"core", "functional", "tflite"},
    "data": {"core", "functional", "bitstream", "codecs", "__version__"},
    "tasks": {"core", "codecs", "functional", "profiling", "media"},
    "callbacks": {"core", "functional", "profiling", "attacks", "media"},
    "report": {"core"},
    "confound": {"core", "functional", "bitstream"},
    "deploy": {"core", "profiling", "functional", "bitstream", "__version__"},
    "inspection": {"bitstream", "codecs", "confound", "core", "data", "functional"},
    "weights": {"codecs", "core", "deploy", "profiling", "tasks", "__version__"},
    "cli": {
        "callbacks",
        "confound",
        "core",
        "data",
        "deploy",
        "inspection",
        "report",
        "tasks",
        "weights",
        "__version__",
    },
}
"""Room to the other rooms that it may import."""

FOREIGN = {
    "brevitas": ("nn/",),
    "sklearn": ("codecs/", "confound/_prediction", "data/"),
    "torchvision": ("data/", "nn/backbones/_mobile_parts", "nn/backbones/tflite_weights"),
    "PIL": ("media", "callbacks/_captions", "callbacks/_matrix", "confound/remedy", "data/folders"),
    "encodec": ("codecs/pretrained/encodec",),
    "ai_edge_litert": ("tflite",),
    "soundfile": ("data/_sound_files", "codecs/standards/_lame"),
    "torchaudio": ("codecs/transform/spectrogram", "nn/backbones/wav2vec2"),
    "numba": ("bitstream/", "deploy/runtime/"),
    "llvmlite": ("bitstream/", "deploy/runtime/"),
    "vector_quantize_pytorch": ("codecs/learned/_quantizers",),
    "constriction": ("codecs/learned/_range_coding",),
    "scipy": ("codecs/labels", "codecs/_assigning", "data/_resampling"),
    "litdata": ("data/shards/",),
    "botocore": ("data/shards/",),
    "pyarrow": ("data/tables",),
    "onnx": ("deploy/_translations",),
    "onnxscript": ("deploy/_translations",),
    "onnxruntime": ("deploy/onnx_network",),
    "matplotlib": ("inspection/picture", "report/_drawing"),
    "tensorboard": ("report/_logs",),
}
"""Library to the only places that may import it."""

FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def imports(file):
    """Full names of the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse((PACKAGE / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ["lossy_lightning", *Path(file).parts[:-1]]
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from lossy_lightning import core` imports a room, and so does `from lossy_lightning.core import Codec`.
            yield from (f"{module}.{alias.name}" for alias in node.names)


def room(name):
    return name.split("/")[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES)
def test_a_room_imports_only_what_the_design_allows(file):
    assert room(file) in ROOMS, f"{room(file)} is a new room; say here what it may import"
    for name in imports(file):
        top, *rest = name.split(".")
        if top == "lossy_lightning":
            assert rest[0] in {*ROOMS[room(file)], room(file)}, f"{file} must not import {name}"
        elif top in FOREIGN:
            assert file.startswith(FOREIGN[top]), f"{file} must not import {name}; only {FOREIGN[top]} may"


@pytest.mark.parametrize("file", [file for file in FILES if room(file) in ("bitstream", "functional", "core")])
def test_the_inner_rooms_import_few_libraries(file):
    allowed = {
        "bitstream": {"numpy", "numba", "llvmlite"},
        "functional": {"torch", "numpy"},
        "core": {"torch", "numpy"},
    }[room(file)]
    foreign = {name.split(".")[0] for name in imports(file)} - sys.stdlib_module_names - {"lossy_lightning"}
    assert foreign <= allowed


def test_what_is_installed_is_what_is_imported():
    """`pip install` pulls nothing that the package does not use, and forgets nothing."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    given = [*project["dependencies"], *(one for name in extras if name != "dev" for one in extras[name])]
    # The last is no import: what reads files that we write.
    declared = {re.split(r"[\[>=]", one)[0] for one in given} - {"lossy-lightning", "qonnx"}
    found = packages_distributions()
    modules = {name.split(".")[0] for file in FILES for name in imports(file)} - sys.stdlib_module_names
    imported = {found[module][0].lower().replace("_", "-") for module in modules - {"lossy_lightning"}}
    assert imported - {"llvmlite"} == declared  # Numba brings llvmlite, at the one version that it works with


@pytest.mark.parametrize(
    "file", [file for file in FILES if room(file) not in ("functional", "bitstream") and "runtime" not in file]
)
def test_rooms_tell_mistakes_by_their_own_errors(file):
    """The command line shows an `InputError` or `MissingFileError` as one sentence, but keeps other tracebacks."""
    for node in ast.walk(ast.parse((PACKAGE / file).read_text())):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name = ast.unparse(node.exc.func)
            assert name not in ("ValueError", "FileNotFoundError"), f"{file}:{node.lineno} raises a plain {name}"


def test_no_name_hides_a_module():
    """`import lossy_lightning.room.file` gives the file, whatever its room exports."""
    for package in pkgutil.walk_packages([str(PACKAGE)], "lossy_lightning."):
        if package.ispkg:
            names = vars(importlib.import_module(package.name))
            for file in pkgutil.iter_modules([str(PACKAGE.joinpath(*package.name.split(".")[1:]))]):
                assert isinstance(names.get(file.name, ast), ModuleType), f"{package.name}.{file.name} is hidden"


SLOW = ("numba", "sklearn", "vector_quantize_pytorch", "torchaudio")


@pytest.mark.parametrize(
    ("before", "module", "unloaded"),
    [
        ("sys", "lossy_lightning", ("lightning", "torch", "numpy", *SLOW)),
        ("lightning", "lossy_lightning.core", SLOW),
        ("torch", "lossy_lightning.nn", (*SLOW, "lightning", "torchvision")),
        ("lightning", "lossy_lightning.data", SLOW),
        ("lightning", "lossy_lightning.callbacks", (*SLOW, "brevitas", "tensorboard")),
        ("lightning", "lossy_lightning.cli", (*SLOW, "brevitas")),
    ],
)
def test_an_import_loads_no_library_that_may_stay_unused(before, module, unloaded):
    """Each of them takes a twentieth to a third of a second; what uses one imports it."""
    told = f"import sys, {before}; had = set(sys.modules); import {module}; print(*(set(sys.modules) - had))"
    loaded = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.split()
    assert module in loaded
    assert not {name.split(".")[0] for name in loaded} & set(unloaded)
