"""The command in a process of its own, as people start it, and what it published."""

import os
import subprocess
import sys
from pathlib import Path

from brev_pipeline_tests.pipelines import hashes


def start(folder: Path, store: str = "store") -> subprocess.Popen[str]:
    """``brev-pipeline run`` of a folder's ``parts.yaml`` into a store in that folder."""
    command = [sys.executable, "-m", "brev_pipeline", "run", str(folder / "parts.yaml"), "--store", str(folder / store)]
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )


def versions(folder: Path, name: str = "store") -> dict[str, str]:
    """SHA-256 of every file of the versions in a store."""
    return hashes(folder / name / "parts" / "versions")
