"""The subcommands that look at things: published versions, the demo photos, a preview.

Each has a function that gives JSON-safe facts, and one that shows them to people.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brev_pipeline.cli.output import console
from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.store import PipelineStore

if TYPE_CHECKING:
    from brev_pipeline.charts.preview import Preview


def versions_of(store: PipelineStore) -> dict[str, Any]:
    """The log of publications, oldest first, with the chain checked, and what each version holds.

    Raises:
        StoreError: the log or a manifest cannot be read, or was altered.
    """
    entries = [
        {**vars(entry), "records": store.find_version(entry.version).read_manifest()["counts"]["records"]}
        for entry in store.publications.read_all()
    ]
    return {"store": store.folder.url, "versions": entries}


def show_versions(found: Mapping[str, Any]) -> None:
    """Print what `versions_of` gave."""
    out = console()
    if not found["versions"]:
        out.print(f"nothing was published yet in {found['store']}", markup=False)
        return
    for entry in found["versions"]:
        said = ", ".join(f"{purpose} {count:,}" for purpose, count in entry["records"].items())
        who = f"{entry['published_at']}  {entry['published_by']:10}"
        out.print(f"{entry['number']:>4}  {entry['version']}  {who}  {said}", markup=False)
    out.print(f"in {found['store']}/versions", markup=False)


def draw_demo_photos(folder: Path, *, seed: int, flaws: bool, as_json: bool = False) -> dict[str, Any]:
    """Draw the demo photos; what was drawn.

    Args:
        folder: where to.
        seed: of the drawing.
        flaws: add some copies and a truncated file.
        as_json: whether standard output is for programs.
    """
    from brev_pipeline.demo import draw_demo

    with console(as_json=as_json).status(f"drawing into {folder}"):
        summary = draw_demo(folder, seed=seed, flaws=flaws)
    return {
        "folder": str(folder),
        "photos": dict(summary.photos),
        "bytes": summary.size,
        "drawn": summary.drawn,
        "kept": summary.kept,
        "flaws": [
            {"kind": flaw.kind, "path": str(flaw.path), "of": flaw.of and str(flaw.of)} for flaw in summary.flaws
        ],
    }


def show_demo(found: Mapping[str, Any]) -> None:
    """Print what `draw_demo_photos` gave."""
    out = console()
    said = ", ".join(f"{name} {count}" for name, count in found["photos"].items())
    made = f"{found['drawn']} drawn, {found['kept']} kept"
    out.print(f"{found['folder']}: {said} photos, {found['bytes'] / 1e6:.0f} MB ({made})", markup=False)
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

    with console(as_json=as_json).status("reading and drawing"):
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
        "depth": _depth_of(preview),
    }


def _depth_of(preview: "Preview") -> dict[str, Any] | None:
    """What photos of more than 8 bits use, and the window that would fit; None where none on show has so many."""
    from brev_pipeline.charts.preview.depth import describe_depths, ranges_of
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

    out = console()
    shown = ", ".join(f"{plain_text(name) or '(no class)'} {count}" for name, count in found["shown"].items())
    out.print(f"wrote {found['file']}, {found['width']}x{found['height']} px: {shown}", markup=False)
    if found["depth"]:
        out.print(f"{found['depth']['used']}\n{found['depth']['advice']}", markup=False)
    for reason in found["refused"]:
        out.print(f"  left out: {plain_text(reason)}", markup=False)
