"""The tools that `make deploy-check` installs: in an environment of their own, and Debian's."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).parents[2] / "deploy"
BIN = Path(__file__).parents[2] / "build" / "deploy" / "bin"


def tool(name: str) -> Path:
    """Return the path of a tool; AssertionError when it is not installed."""
    found = shutil.which(name, path=f"{BIN}:{os.environ['PATH']}")
    assert found, f"{name} is not here: `make deploy-check` installs it"
    return Path(found)


def documents(path: Path) -> list[Any]:
    """Read the documents of a YAML file."""
    code = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))"
    done = subprocess.run(
        [BIN / "python", "-c", code],
        input=path.read_text("utf-8"),
        text=True,
        capture_output=True,
        check=True,
    )
    found: list[Any] = json.loads(done.stdout)
    return [one for one in found if one is not None]
