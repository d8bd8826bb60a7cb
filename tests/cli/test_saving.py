from types import SimpleNamespace

import yaml
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.loggers import CSVLogger, WandbLogger

from lossy_lightning.cli._saving import SaveConfig


class Offline(WandbLogger):
    """A logger of W&B as it is after its start, without W&B."""

    def __init__(self, folder):
        self.folder = folder

    @property
    def experiment(self):
        return SimpleNamespace(dir=str(self.folder))


def test_each_logger_has_the_configuration_and_a_second_run_is_not_refused(tmp_path):
    parser = LightningArgumentParser()
    parser.add_argument("--number", type=int, default=1)
    loggers = [Offline(tmp_path / "files"), CSVLogger(tmp_path, name="run", version=0)]
    for number in ("2", "3"):
        config = parser.parse_args(["--number", number])
        SaveConfig(parser, config).save_config(SimpleNamespace(loggers=loggers), None, "fit")
    # W&B writes a config.yaml of its own.
    for path in (tmp_path / "files" / "lightning_config.yaml", tmp_path / "run" / "version_0" / "config.yaml"):
        assert yaml.safe_load(path.read_text())["number"] == 3
    assert not (tmp_path / "files" / "config.yaml").exists()
