"""Print the lowest versions that pyproject.toml declares, as constraints for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
for line in [*project["dependencies"], *(line for name in extras for line in extras[name])]:
    if bound := re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", line):
        print(f"{bound[1]}=={bound[2]}")
