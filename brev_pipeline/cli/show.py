"""The small subcommands: check of configurations, published versions, the demo photos, a preview.

Each has a function that gives JSON-safe facts, and one that shows them to people.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brev_pipeline.cli.output import make_console
from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.store import PipelineStore

if TYPE_CHECKING:
    from brev_pipeline.charts.preview import Preview
    from brev_pipeline.orchestration.code_location import LoadedFile


@dataclass(frozen=True)
class CheckedFile:
    """What is to be said of one file."""

    file: str  # as it was given
    problems: Sequence[str]  # what makes it unusable; nothing where it is good
    warnings: Sequence[str]  # what one should know of it although it is good

    def to_dict(self) -> dict[str, Any]:
        """The file as JSON for programs."""
        return {
            "file": self.file,
            "good": not self.problems,
            "problems": list(self.problems),
            "warnings": list(self.warnings),
        }


def check_files(files: Sequence[Path]) -> list[CheckedFile]:
    """Load files as the code location of their folders would, which finds equal names too.

    Files that are given together are meant to be used together, whatever folders they lie in.
    """
    from brev_pipeline.config.load import to_printable
    from brev_pipeline.orchestration.code_location import list_config_files, load_config_files

    # One spelling for each file, so that one given twice is no rival of itself; links stay what they are.
    given = {Path(os.path.abspath(file)): file for file in files}
    loaded: dict[Path, LoadedFile] = {}
    for folder in dict.fromkeys(file.parent for file in given):
        own = [file for file in given if file.parent == folder]
        beside = list_config_files(folder)
        together = [*beside, *(file for file in own if file not in beside)]
        loaded |= {outcome.file: outcome for outcome in load_config_files(together, own)}
    owners: dict[str, Path] = {}
    checked = []
    for file, as_given in given.items():
        outcome = loaded[file]
        problems, name = outcome.problem.splitlines(), outcome.config.name if outcome.config else ""
        if name and (owner := owners.setdefault(name, as_given)) != as_given:
            twice = f"{name} is the name of {to_printable(owner)} too; rename one of them"
            problems = [f"{to_printable(as_given)}: name: {twice}"]
        warnings = outcome.config.setup_warnings if outcome.config and not problems else []
        checked.append(CheckedFile(to_printable(as_given), problems, warnings))
    return checked


def list_versions(config: PipelineConfig) -> dict[str, Any]:
    """The log of publications, oldest first, with the chain checked, and what each version holds.

    Raises:
        StoreError: the log or a manifest cannot be read, or was altered.
    """
    store = PipelineStore.from_config(config)
    entries = [
        {**vars(entry), "records": store.find_version(entry.version).read_manifest()["counts"]["records"]}
        for entry in store.publications.read_all()
    ]
    return {"store": store.folder.url, "versions": entries}


def show_versions(found: Mapping[str, Any]) -> None:
    """Print what `list_versions` gave."""
    out = make_console()
    if not found["versions"]:
        out.print(f"nothing was published yet in {found['store']}", markup=False)
        return
    for entry in found["versions"]:
        said = ", ".join(f"{purpose} {count:,}" for purpose, count in entry["records"].items())
        who = f"{entry['published_at']}  {entry['published_by']:10}"
        out.print(f"{entry['number']:>4}  {entry['version']}  {who}  {said}", markup=False)
    out.print(f"in {found['store']}/versions", markup=False)


def draw_demo_photos(
    folder: Path, *, seed: int, flaws: bool, labels: bool = False, as_json: bool = False
) -> dict[str, Any]:
    """Draw the demo photos; what was drawn.

    Args:
        folder: where to.
        seed: of the drawing.
        flaws: add some copies and a truncated file.
        labels: add masks, boxes and outlines.
        as_json: whether standard output is for programs.
    """
    from brev_pipeline.demo import draw_demo

    with make_console(as_json=as_json).status(f"drawing into {folder}"):
        summary = draw_demo(folder, seed=seed, flaws=flaws, labels=labels)
    return {
        "folder": str(folder),
        "photos": summary.photos,
        "bytes": summary.size,
        "drawn": summary.drawn,
        "kept": summary.kept,
        "flaws": [{"kind": flaw.kind, "path": flaw.path, "of": flaw.of} for flaw in summary.flaws],
        "defects": summary.defects,
    }


def show_demo(found: Mapping[str, Any]) -> None:
    """Print what `draw_demo_photos` gave."""
    out = make_console()
    said = ", ".join(f"{name} {count}" for name, count in found["photos"].items())
    made = f"{found['drawn']} drawn, {found['kept']} kept"
    out.print(f"{found['folder']}: {said} photos, {found['bytes'] / 1e6:.0f} MB ({made})", markup=False)
    if found["defects"]:
        said = ", ".join(f"{fault} {count}" for fault, count in found["defects"].items())
        out.print(f"  masks, boxes and outlines of what is wrong: {said}", markup=False)
    for flaw in found["flaws"]:
        out.print(f"  {flaw['kind']}: {flaw['path']}" + (f" of {flaw['of']}" if flaw["of"] else ""), markup=False)


def draw_preview(config: PipelineConfig, out: Path, images: int, *, as_json: bool = False) -> dict[str, Any]:
    """Draw the sheet of a configuration; where it is, what is on it, and what was left out and why.

    Args:
        config: the pipeline's.
        out: PNG file to write.
        images: photos of each class.
        as_json: whether standard output is for programs.

    Raises:
        BrevPipelineError: the file cannot be written.
    """
    from brev_pipeline.charts.preview import draw_sheet, gather_exhibits

    with make_console(as_json=as_json).status("reading and drawing"):
        preview = gather_exhibits(config, images)
        sheet = draw_sheet(preview)
        try:
            sheet.save(out, "PNG")
        except OSError as error:
            raise BrevPipelineError(
                f"{out} cannot be written: {error.strerror or error}; give another --out, or make its folder"
            ) from error
    return {
        "file": str(out),
        "width": sheet.width,
        "height": sheet.height,
        "shown": {name: len(some) for name, some in preview.exhibits.items()},
        "refused": list(preview.refused),
        "depth": _describe_depth(preview),
    }


def _describe_depth(preview: "Preview") -> dict[str, Any] | None:
    """What photos of more than 8 bits use, and the window that would fit; None where none on show has so many."""
    from brev_pipeline.charts.preview.exhibits import describe_depths, ranges_of
    from brev_pipeline.images.intensity import fitting_window

    if not preview.depths:
        return None
    ranges = ranges_of(preview.depths)
    used, advice = describe_depths(preview.depths, len(preview.shown), preview.config)
    return {
        "photos": len(preview.depths),
        "range_used": [float(ranges.used.min()), float(ranges.used.max())],
        "window": list(fitting_window(ranges)),
        "used": used,
        "advice": advice,
    }


def show_preview(found: Mapping[str, Any]) -> None:
    """Print what `draw_preview` gave."""
    from brev_pipeline.charts.figure import plain_text

    out = make_console()
    shown = ", ".join(f"{plain_text(name) or '(no class)'} {count}" for name, count in found["shown"].items())
    out.print(f"wrote {found['file']}, {found['width']}x{found['height']} px: {shown}", markup=False)
    if found["depth"]:
        out.print(f"{found['depth']['used']}\n{found['depth']['advice']}", markup=False)
    for reason in found["refused"]:
        out.print(f"  left out: {plain_text(reason)}", markup=False)
