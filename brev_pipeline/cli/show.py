"""The subcommands that look at things: published versions, their verification, the demo photos, a preview."""

from pathlib import Path

from rich.console import Console

from brev_pipeline.config import PipelineConfig
from brev_pipeline.errors import BrevPipelineError
from brev_pipeline.store import PipelineStore


def show_versions(store: PipelineStore) -> None:
    """Print the log of publications, oldest first, with the chain checked."""
    console = Console(highlight=False, soft_wrap=True)
    entries = store.publications.all()
    if not entries:
        console.print(f"nothing was published yet in {store.folder.url}")
        return
    for entry in entries:
        version = store.version(entry.version)
        records = version.manifest()["counts"]["records"]
        said = ", ".join(f"{purpose} {count:,}" for purpose, count in records.items())
        console.print(f"{entry.number:>4}  {entry.version}  {entry.published_at}  {entry.published_by:10}  {said}")
    console.print(f"in {store.versions.url}")


def show_verification(store: PipelineStore, version_id: str | None) -> bool:
    """Verify a version, or the newest one; print what is wrong, or that all is well."""
    from brev_pipeline.verify import verify_version

    console = Console(highlight=False, soft_wrap=True)
    with console.status("reading"):
        result = verify_version(store, version_id)
    for problem in result.problems:
        console.print("[red]✗[/] ", end="")
        console.print(problem, markup=False)
    if not result.problems:
        console.print(
            f"[green]✓[/] version {result.version.id}: {result.files} files, {result.records:,} records, "
            f"{result.publications} publication(s): every hash, checksum and count is right, and no leak"
        )
    return not result.problems


def show_demo(folder: Path, *, seed: int, flaws: bool) -> None:
    """Draw the demo photos and say what was drawn."""
    from brev_pipeline.demo import draw_demo

    console = Console(highlight=False, soft_wrap=True)
    with console.status(f"drawing into {folder}"):
        summary = draw_demo(folder, seed=seed, flaws=flaws)
    said = ", ".join(f"{name} {count}" for name, count in summary.photos.items())
    console.print(f"{folder}: {said} photos, {summary.size / 1e6:.0f} MB ({summary.drawn} drawn, {summary.kept} kept)")
    for flaw in summary.flaws:
        console.print(f"  {flaw.kind}: {flaw.path}" + (f" of {flaw.of}" if flaw.of else ""))


def show_preview(config: PipelineConfig, out: Path, images: int) -> None:
    """Draw the sheet of a configuration and say where it is and what is on it.

    Raises:
        BrevPipelineError: the file cannot be written.
    """
    from brev_pipeline.preview import draw_sheet, gather

    console = Console(highlight=False, soft_wrap=True)
    with console.status("reading and drawing"):
        preview = gather(config, images)
        sheet = draw_sheet(preview)
        try:
            sheet.save(out, "PNG")
        except OSError as error:
            raise BrevPipelineError(f"{out} cannot be written: {error.strerror or error}") from error
    shown = ", ".join(f"{name or '(no class)'} {len(some)}" for name, some in preview.exhibits.items())
    console.print(f"wrote {out}, {sheet.width}x{sheet.height} px: {shown}", markup=False)
    for reason in preview.refused:
        console.print(f"  left out: {reason}", markup=False)
