"""What results depend on besides function and task: the versions of the code that runs.

On one machine all processes run the same code. Machines of a cluster may not, and another OpenCV can mean other bytes
in a shard. So every worker compares what it has with what the caller has before it does anything.
"""

import hashlib
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "google-crc32c",
    "imagecodecs",
    "mmh3",
    "numpy",
    "opencv-python-headless",
    "Pillow",
    "pyarrow",
    "scipy",
    "simplejpeg",
    "xxhash",
)
"""Packages whose version may show in a result."""
OURS = "brev_pipeline"
PYTHON = "Python"


def environment() -> dict[str, str]:
    """Versions of Python and `PACKAGES` in this process, and a hash of this package's own source files."""
    found = {PYTHON: "{}.{}".format(*sys.version_info[:2]), OURS: _source()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def differences(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    """What a worker has in another version than the caller, one text each."""
    return [f"{name} {theirs.get(name)}, not {own}" for name, own in ours.items() if theirs.get(name) != own]


def package_folder() -> Path:
    """Where this package's source lies."""
    return Path(__file__).parents[2]


def _source() -> str:
    folder, digest = package_folder(), hashlib.sha256()
    for file in sorted(folder.rglob("*.py"), key=lambda one: one.relative_to(folder).as_posix()):
        digest.update(f"{file.relative_to(folder).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return f"with source {digest.hexdigest()[:12]}"
