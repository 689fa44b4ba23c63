"""``brev-pipeline plan``: what a run would do now, for people."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console

from brev_pipeline.cli.change_report import (
    format_counts,
    format_row,
    print_examples,
    print_section,
    show_images,
    show_labels,
    show_left_out,
    show_provenance,
    show_purposes,
)
from brev_pipeline.cli.output import make_console
from brev_pipeline.config import PipelineConfig
from brev_pipeline.dry_run.document import NOTHING, PUBLISH, STOP

_WOULD: Final = {
    PUBLISH: "[bold green]a run would publish a new version[/]",
    NOTHING: "[bold green]a run would find nothing new[/]",
    STOP: "[bold red]a run would stop, and publish nothing[/]",
}


def plan_with_progress(config: PipelineConfig, most_bytes: int, *, as_json: bool) -> dict[str, Any]:
    """What a run would do now; progress is shown while it is found out."""
    from brev_pipeline.dry_run import plan_run

    with make_console(as_json=as_json).status("looking at what is there"):
        return plan_run(config, most_bytes=most_bytes)


def show_plan(found: Mapping[str, Any]) -> None:
    """Print what `plan_run` found."""
    console = Console(highlight=False)
    console.print(f"[bold]{found['pipeline']}[/]: {_WOULD[found['would']]}")
    before = found["compared_with"]
    said = f"{before['version']}, publication {before['number']} of {before['published_at']}" if before else None
    console.print(f"compared with {said}" if said else "nothing was published yet: all is new", style="dim")
    if found["because"]:
        print_section(console, "because", f"otherwise: {'; '.join(found['because'])}")
    for mark, kind in (("red", "stops"), ("yellow", "warnings")):
        for one in found[kind]:
            _show_check(console, mark, one)
    show_provenance(console, found)
    if found["images"]:
        show_images(console, found["images"])
    if found["left_out"]:
        show_left_out(console, found["left_out"])
    if found["sides"]:
        _show_groups(console, found["groups"])
        show_purposes(console, found["sides"])
        show_labels(console, found["labels"])
    if found["records"]:
        _show_records(console, found)
    for one in found["open"]:
        print_section(console, "open", f"{one['images']:,} images: {one['says']}")
        if one["what"] == "contents":
            # Rounded up: with less than this none of them would be read.
            need = -(-found["read"]["unread_bytes"] // 1_000_000)
            print_section(console, "", f"--read {need} reads them too")
    if found["read"] and found["read"]["images"]:
        read = found["read"]
        print_section(console, "read", f"{read['images']:,} images, {format_bytes(read['bytes'])}, for their contents")


def _show_check(console: Console, mark: str, one: Mapping[str, Any]) -> None:
    name = f"{one['stage']}.{one['check']}" if one["check"] else one["stage"]
    title = "would stop" if mark == "red" else "warns"
    print_section(console, title, f"{name}: {one['says']}", lines=True, style=f"bold {mark}")
    rows = [format_row(row) for row in one["examples"]]
    print_examples(console, "", rows, max(one["offending"], len(rows)))


def _show_groups(console: Console, groups: Mapping[str, Any]) -> None:
    if groups["joined"]:
        print_section(console, "groups", f"{groups['joined']:,} would be made of several that were apart")
        some = [f"{' + '.join(one['groups'])} ({', '.join(one['purposes'])})" for one in groups["examples"]]
        print_examples(console, "", some, groups["joined"])


def _show_records(console: Console, found: Mapping[str, Any]) -> None:
    records, size, took = found["records"], found["bytes"], found["time"]
    kinds = {"stand": "stand already", "finished": "finished before", "copied": "to copy", "written": "to write"}
    told = ", ".join(f"{records[kind]:,} {says}" for kind, says in kinds.items() if records[kind])
    print_section(console, "records", f"{format_counts(records)}: {told}")
    if found["decode"]["contents"]:
        pixels = found["decode"]["bytes"]
        kept = f", {format_bytes(pixels)} of pixels for the store" if pixels is not None else ""
        print_section(console, "decode", f"{found['decode']['contents']:,} images{kept}")
    if found["would"] == NOTHING:
        return
    sizes = "size not known yet" if size["shards"] is None else f"about {format_bytes(size['shards'])} of shards"
    print_section(console, "size", f"{sizes}{'' if size['from'] else ', by the settings alone'}")
    print_section(console, "time", _format_time(took))


def _format_time(took: Mapping[str, Any]) -> str:
    if took["seconds"] is not None:
        return f"about {format_duration(took['seconds'])}, by the pace of the last runs"
    lacking = [one["stage"] for one in took["stages"] if one["seconds"] is None]
    return f"not known yet: no run was timed that had work for {', '.join(lacking)}"


def format_bytes(count: int) -> str:
    """Bytes for people."""
    if 0 < count < 100_000:
        return f"{count / 1e3:,.1f} kB"
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def format_duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
