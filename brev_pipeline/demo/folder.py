"""Folder: where the demo's files lie, and the record that says that they are ours.

The record is a hidden file with the seed and every file's SHA-256. Files appear whole or not at all: each is
written under a hidden name and renamed.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from brev_pipeline.errors import BrevPipelineError

RECORD: Final = ".brev-pipeline-demo.json"
DRAWING: Final = 1  # goes up when the same seed draws other bytes
_TEMPORARY: Final = ".tmp-"


@dataclass(frozen=True)
class Record:
    """What a folder was drawn from, and what was finished.

    Args:
        seed: the demo's seed.
        flaws: whether the flawed files are among them.
        drawing: `DRAWING` of the package that drew them.
        sha256: path below the folder → SHA-256 in hexadecimal; empty until all files are drawn.
    """

    seed: int
    flaws: bool
    drawing: int = DRAWING
    sha256: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"seed {self.seed} {'with' if self.flaws else 'without'} flaws"


def claim(folder: Path, wanted: Record) -> Mapping[str, str]:
    """Make the folder ours before the first photo is drawn.

    Returns:
        The SHA-256 of the files that an earlier drawing of the same demo finished.

    Raises:
        BrevPipelineError: the folder holds something else; nothing was written.
    """
    if not folder.exists() or all(entry.name == _TEMPORARY + RECORD for entry in folder.iterdir()):
        save(folder, wanted)
        return {}
    found = _read(folder)
    if (found.seed, found.flaws) != (wanted.seed, wanted.flaws):
        raise BrevPipelineError(
            f"{folder} holds demo photos of {found}, not of {wanted}: choose another folder, or remove this one first"
        )
    return found.sha256 if found.drawing == DRAWING else {}


def save(folder: Path, record: Record) -> None:
    """Write the folder's record."""
    write(folder / RECORD, (json.dumps(asdict(record), indent=1) + "\n").encode())


def write(file: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all; one of the same name is replaced."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Always the same name: the repeat of a killed run uses it up.
    temporary = file.with_name(_TEMPORARY + file.name)
    temporary.write_bytes(data)
    os.replace(temporary, file)


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of(file: Path) -> str | None:
    """SHA-256 of a file, None where there is none."""
    try:
        return digest(file.read_bytes())
    except FileNotFoundError:
        return None


def _read(folder: Path) -> Record:
    try:
        known = json.loads((folder / RECORD).read_bytes())
        return Record(known["seed"], known["flaws"], known["drawing"], dict(known["sha256"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise BrevPipelineError(
            f"{folder} is not empty and holds no demo photos (no readable {RECORD}): nothing was written; "
            "choose an empty folder or a new one"
        ) from error
