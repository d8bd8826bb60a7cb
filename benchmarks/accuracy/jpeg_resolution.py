"""Networks straight from JPEG and networks on pixels, trained at one size of images, tested on files of several.

    LOSSY_DATA=... python -m benchmarks.accuracy.jpeg_resolution [name ...] [--seeds 0 1 2] [--folder FOLDER]
        [--update FILE]

Each row is a run of `experiments/imagenette/`, trained on all training files of `imagenette224` through the command
line. Its last epoch is tested on the test images in files of quality 75 of each size: those of 224x224 as they are,
others resized from them and written once. Networks on coefficients read such files whole; those on pixels read them
decoded and resized to 224x224, as is common practice. Codes of small files are also tested doubled along both axes, in
the transform domain: nothing is decoded. Test images choose nothing.

The table gives test accuracy as mean and standard deviation over seeds, and points above pixels with their 95 %
interval: a paired bootstrap over test images. Test is in float32. Other options, as `--name=value`, go to the command
line of each training. A folder keeps runs, files and figures, and what it holds already is not run again; several
processes may fill it at once.
"""

import os
import shutil
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from filelock import FileLock
from lightning.pytorch import Trainer
from PIL import Image
from torch import Tensor

from benchmarks.accuracy.paired import Right, difference, share_right
from benchmarks.harness import fit, inside, kept, machine, once, parser, precision, recipe, show, spread
from lossy_lightning.augmentation import MCUZoom
from lossy_lightning.codecs import JPEG, PCM
from lossy_lightning.core import Stem
from lossy_lightning.data import ImageFolder, JPEGFolder
from lossy_lightning.data.folders import class_files
from lossy_lightning.profiling import count_macs
from lossy_lightning.tasks import ClassificationTask

SIZE = 224
SIZES = (96, 128, 160, 192, SIZE)
DOUBLED = (96, 128)  # sizes that are nearer to those of training if they are doubled
NARROW = {
    "narrow, pixels resized to 224": "imagenette_narrow_resnet50",
    "narrow, coefficients, trained whole": "imagenette_narrow_late_concat",
    "narrow, coefficients, trained on crops": "imagenette_narrow_crops",
    "narrow, coefficients, trained on crops and zooms": "imagenette_narrow_zooms",
}
WIDE = {
    "pixels resized to 224": "imagenette_resnet50",
    "coefficients, trained whole": "imagenette_late_concat",
    "coefficients, trained on crops": "imagenette_crops",
}


class Doubled(Stem):
    """A stem that reads codes doubled along both axes.

    Args:
        stem: What reads them.
        codec: Whose codes they are.
    """

    def __init__(self, stem: Any, codec: JPEG) -> None:
        super().__init__(stem.code_spec)
        self.stem = stem
        self.shape = stem.shape
        self.zoom = MCUZoom()
        self.zoom.adapt([codec], stem.code_spec, None)  # type: ignore[arg-type]  # statistics are of no use to it

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Any:
        """Features of the doubled codes, and their own sizes if they are padded."""
        return self.stem(self.zoom.resized(code, enlarge=True), None if grid_size is None else 2 * grid_size)


def originals() -> Path:
    """Where the files are that networks train on."""
    return Path(os.environ["LOSSY_DATA"]) / f"imagenette{SIZE}"


def resized(source: Path, place: Path, size: int, ending: str) -> Path:
    """The test images of a folder, of another size, in a folder that is made where it is not there yet."""
    with FileLock(place.with_suffix(".lock")):
        if not place.exists():
            new = place.with_suffix(".new")
            shutil.rmtree(new, ignore_errors=True)
            for path, _ in class_files(source, "test", (".jpg", ".jpeg")) or []:
                target = new / Path(path).relative_to(source).with_suffix(ending)
                target.parent.mkdir(parents=True, exist_ok=True)
                with Image.open(path) as image:
                    image.resize((size, size)).save(target, quality=75)
            (new / "train").symlink_to(source / "train")  # it names the classes
            new.replace(place)
    return place


def test_data(size: int, in_pixels: bool, folder: Path) -> ImageFolder | JPEGFolder:
    """The test images in files of a size, as a network reads them."""
    root = originals()
    if size != SIZE:
        root = resized(root, folder / f"imagenette{size}", size, ".jpg")
    if not in_pixels:
        return JPEGFolder(JPEG(requantize=True), root, cache_dir=folder / "cache")
    if size != SIZE:
        root = resized(root, folder / f"imagenette{size}_pixels", SIZE, ".png")
    return ImageFolder(PCM(), root, (SIZE, SIZE), cache_dir=folder / "cache")


def figures(name: str, extra: list[str], seed: int, folder: Path) -> dict[str, Any]:
    """What one training gives on each size; in and below the folder that we are in."""
    given = ["--seed_everything", str(seed), "--test_after_fit", "false"]
    given += ["--data.init_args.root", str(originals()), "--data.init_args.val_fraction", "0"]
    cli = fit(name, [*given, *extra])
    checkpoint = cli.trainer.checkpoint_callback.best_model_path
    in_pixels = isinstance(cli.datamodule, ImageFolder)
    found = {str(size): tested(checkpoint, test_data(size, in_pixels, folder), False) for size in SIZES}
    if not in_pixels:
        found |= {f"{size} doubled": tested(checkpoint, test_data(size, False, folder), True) for size in DOUBLED}
    return found


def tested(checkpoint: str, data: ImageFolder | JPEGFolder, doubled: bool) -> dict[str, Any]:
    """Which test images are classified right, and multiply-accumulates of one."""
    task = ClassificationTask.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True, spec=data.spec)
    if doubled:
        task.stem = Doubled(task.stem, JPEG(requantize=True))
    seen = Right()
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    Trainer(logger=False, callbacks=[seen], **quiet).test(task, data, verbose=False)
    code, _, *grid_size = next(iter(data.test_dataloader()))
    return seen.figures() | {"macs": count_macs(task.cpu(), code[:1], *(size[:1] for size in grid_size)).total()}


def accuracies(names: list[str], extra: list[str], seeds: list[int], folder: Path) -> list[list[str]]:
    """Run what is missing, and make the table."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed, name in product(seeds, names):
        of_name = (NARROW | WIDE)[name]
        with inside(folder / f"seed{seed}"):
            run = partial(figures, of_name, extra, seed, folder)
            found[name].append(once(Path("figures.json"), " ".join([recipe(of_name), *extra]), run))
        each = [f"{size}: {accuracy(found[name][-1][str(size)]):.2f} %" for size in SIZES]
        print(f"  {name}, seed {seed}: {', '.join(each)}", flush=True)
    rows = [["network", "MMACs", *(f"{size}x{size}" for size in SIZES)]]
    for name, runs in found.items():
        by_size = [[run[str(size)] for run in runs] for size in SIZES]
        macs = [f"{of_size[0]['macs'] / 1e6:.1f}" for of_size in by_size]
        cost = macs[0] if macs[0] == macs[-1] else f"{macs[0]} to {macs[-1]}"
        rows.append([name, cost, *(spread([accuracy(run) for run in of_size]) for of_size in by_size)])
        control = next(iter(NARROW if name in NARROW else WIDE))
        if control in found and name != control:
            of_control = [[run[str(size)] for run in found[control]] for size in SIZES]
            rows.append(["… points above pixels", "", *map(difference, by_size, of_control)])
        if f"{DOUBLED[0]} doubled" in runs[0]:
            again = [[run[f"{size} doubled"] for run in runs] for size in DOUBLED]
            costs = " and ".join(f"{of_size[0]['macs'] / 1e6:.1f}" for of_size in again)
            shares = [spread([accuracy(run) for run in of_size]) for of_size in again]
            rows.append(["… small files doubled", costs, *shares, *[""] * (len(SIZES) - len(DOUBLED))])
    return rows


def accuracy(found: dict[str, Any]) -> float:
    """In percent."""
    return 100 * float(share_right([found]).mean())


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument(
        "rows", nargs="*", metavar="name", help=f"rows to run; default {list(NARROW)}; also, for a GPU, {list(WIDE)}"
    )
    arguments.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments.add_argument("--precision", default=precision(), help="of training; default here: %(default)s")
    arguments.add_argument("--folder", type=Path, help="where runs, files and figures are kept")
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given, others = arguments.parse_known_args()
    if unknown := set(given.rows) - {*NARROW, *WIDE}:
        arguments.error(f"there is no row {sorted(unknown)}; rows are {[*NARROW, *WIDE]}")
    extra = ["--trainer.precision", given.precision, *others]
    with kept(given.folder) as folder:
        rows = accuracies(given.rows or list(NARROW), extra, given.seeds, folder)
    show(rows, f"Trained in {given.precision} on {machine()}.", given.update, "jpeg-resolution")


if __name__ == "__main__":
    main()
