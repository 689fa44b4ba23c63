"""Finished shards, remembered: a small JSON file beside each, so that a run that was killed goes on where it was.

What is remembered holds only for the very same rows, pixels, settings and augmentation: all of them are in the
digest. And it is not believed blindly: the shard's size and SHA-256 are checked before it is used again.
"""

import hashlib
import json
from dataclasses import dataclass

from brev_pipeline.store import Folder


@dataclass(frozen=True)
class Finished:
    """A shard that stands in its folder, whole."""

    file: str
    """Name of the shard's file."""
    digest: str
    """SHA-256 of all that its bytes depend on."""
    bytes: int
    sha256: str
    offsets: list[int]
    lengths: list[int]
    crcs: list[int]


def recall(folder: Folder, progress: Folder, file: str, digest: str) -> Finished | None:
    """What is known of a shard, if it was finished from the same inputs and its file is unharmed."""
    if not (progress.exists(_note_name(file)) and folder.exists(file)):
        return None
    finished = _load_note(progress, _note_name(file))
    if finished is None or (finished.file, finished.digest) != (file, digest):
        return None
    return finished if is_whole(folder, finished) else None


def is_whole(folder: Folder, finished: Finished) -> bool:
    """Whether the shard's file has the bytes that it was finished with."""
    same_size = folder.size(finished.file) == finished.bytes
    return same_size and hashlib.sha256(folder.read(finished.file)).hexdigest() == finished.sha256


def remember(progress: Folder, finished: Finished) -> None:
    """Note that a shard is finished, in place of what was noted of an earlier one of this name."""
    progress.remove(_note_name(finished.file))
    progress.write(_note_name(finished.file), json.dumps(vars(finished)).encode())


def all_finished(progress: Folder) -> list[Finished]:
    """All that is noted, sorted by file name."""
    found = (_load_note(progress, name) for name in progress.names())
    return sorted((finished for finished in found if finished), key=lambda finished: finished.file)


def _load_note(progress: Folder, name: str) -> Finished | None:
    try:
        return Finished(**json.loads(progress.read(name)))
    except (ValueError, TypeError):
        # Not ours, or of another version of this package: the shard is simply written again.
        return None


def _note_name(file: str) -> str:
    return f"{file}.json"
