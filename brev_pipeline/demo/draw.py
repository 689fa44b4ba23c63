"""Draw: the demo's photos as files in a folder.

Nothing is drawn into a folder that holds something else. Into one that holds the same demo, only what is
missing or altered is drawn; so an interrupted run is repeated by the same call. Files that someone else put
beside the photos are left alone.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from brev_pipeline.demo.bitmap import Pixels, bmp, png
from brev_pipeline.demo.draws import Draws
from brev_pipeline.demo.folder import Record, claim, digest, digest_of, save, write
from brev_pipeline.demo.item import draw_item, draw_shot
from brev_pipeline.demo.photo import photograph
from brev_pipeline.demo.plan import Kind, Planned, View, plan
from brev_pipeline.errors import BrevPipelineError

_CUT: Final = 0.6  # share of a truncated file that is left

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Flaw:
    """A file that is not as it should be: where it lies, what is wrong, and the photo that it is a copy of, if any."""

    path: str
    kind: Kind
    of: str | None


@dataclass(frozen=True)
class DemoSummary:
    """What lies in the demo's folder after a drawing.

    Args:
        folder: the folder.
        photos: class folder → sound photos, 180 in all.
        flaws: the files that are not as they should be.
        size: bytes of all files together.
        drawn: files that this call wrote.
        kept: files that were there already, as they should be.
    """

    folder: Path
    photos: dict[str, int]
    flaws: tuple[Flaw, ...]
    size: int
    drawn: int
    kept: int


def draw_demo(folder: Path, *, seed: int = 0, flaws: bool = False, on_progress: Progress | None = None) -> DemoSummary:
    """Draw the demo's photos: the same seed gives the same names and bytes on every machine.

    Args:
        folder: where to; made if it does not exist.
        seed: 0 ≤ seed < 2**63.
        flaws: add two byte copies, one pixel copy and one truncated file.
        on_progress: called after each file with the number of files done and of all files.

    Raises:
        BrevPipelineError: the folder holds something that is not this demo, or cannot be written.
        ValueError: the seed is out of range.
    """
    if not 0 <= seed < 2**63:
        raise ValueError(f"the seed must be in [0, 2**63), got {seed}")
    try:
        return _draw(Path(folder), seed, flaws, on_progress or (lambda _done, _all: None))
    except OSError as error:
        raise BrevPipelineError(
            f"the demo photos cannot be drawn into {folder}: {error.strerror or error} ({error.filename or folder}); "
            "choose another folder, or check its permissions and the free space"
        ) from error


def file_bytes(planned: Planned, seed: int) -> bytes:
    """Content of one file of the demo."""
    pixels = _pixels(planned.view, seed)
    if planned.kind == "pixel copy":
        return png(pixels)
    data = bmp(pixels)
    return data[: int(len(data) * _CUT)] if planned.kind == "truncated" else data


def _draw(folder: Path, seed: int, flaws: bool, on_progress: Progress) -> DemoSummary:
    files = plan(flaws=flaws)
    finished = claim(folder, Record(seed, flaws))
    digests: dict[str, str] = {}
    drawn = 0
    for done, planned in enumerate(files, start=1):
        found = digest_of(folder / planned.path)
        if found is None or found != finished.get(planned.path):
            data = file_bytes(planned, seed)
            write(folder / planned.path, data)
            found, drawn = digest(data), drawn + 1
        digests[planned.path] = found
        on_progress(done, len(files))
    save(folder, Record(seed, flaws, sha256=digests))
    return _summary(folder, files, drawn)


def _pixels(view: View, seed: int) -> Pixels:
    draws = Draws(seed, (view.folder, view.item))
    return photograph(draw_item(draws, view.fault), draw_shot(draws.about("photo", view.take)))


def _summary(folder: Path, files: list[Planned], drawn: int) -> DemoSummary:
    photos = Counter(planned.view.folder for planned in files if planned.kind == "photo")
    flaws = tuple(
        Flaw(planned.path, planned.kind, planned.view.path if "copy" in planned.kind else None)
        for planned in files
        if planned.kind != "photo"
    )
    size = sum((folder / planned.path).stat().st_size for planned in files)
    return DemoSummary(folder, dict(photos), flaws, size, drawn, len(files) - drawn)
