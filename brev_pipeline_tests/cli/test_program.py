"""The program ends with the status that it earned, and says everything before."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import atexit, sys
from brev_pipeline.cli.program import exit_cleanly
with exit_cleanly():
    atexit.register(lambda: print("told at the end"))
    print("told")
    {end}
"""


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("sys.exit(0)", 0),
        ("sys.exit(3)", 3),
        ("sys.exit('why')", 1),
        ("sys.exit()", 0),
        ("raise ValueError('a bug')", 1),
        ("", 0),
    ],
)
def test_the_status_is_kept_and_what_was_registered_is_called(end: str, status: int) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(end=end)], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stdout == "told\ntold at the end\n"
    assert ("Traceback" in done.stderr) == ("ValueError" in end)


@pytest.mark.slow
def test_the_command_keeps_its_statuses(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("{name: a, store: s, datasets: [{name: a, id: a, bucket: b}]}")
    for file, status in (("good.yaml", 0), ("nowhere.yaml", 2)):
        command = [sys.executable, "-m", "brev_pipeline", "check", str(tmp_path / file), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status
        assert done.stdout.startswith("{")
        assert done.stdout.endswith("}\n")
