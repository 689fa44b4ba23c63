"""Build: from the inputs to the files of the page, by Jinja's templates over the sections, with every text escaped."""

from typing import Any

import jinja2

from brev_pipeline.augmentation import AugmentationSettings, ImageAugmenter
from brev_pipeline.charts import figure
from brev_pipeline.report import text
from brev_pipeline.report.changes import changes_section
from brev_pipeline.report.checks import checks_section, page_summary
from brev_pipeline.report.context import ReportContext
from brev_pipeline.report.copies import copies_section
from brev_pipeline.report.exclusions import exclusions_section, quarantine_section
from brev_pipeline.report.inputs import ReportInputs
from brev_pipeline.report.inventory import inventory_section, unlisted_section
from brev_pipeline.report.provenance import labels_section, provenance_section
from brev_pipeline.report.sampling import sampling_section, sheets_section
from brev_pipeline.report.split import split_section
from brev_pipeline.report.thumbnails import ThumbnailCache


def build_report(inputs: ReportInputs) -> dict[str, bytes]:
    """The page of a version: self-contained, without scripts, the same bytes for the same inputs.

    It holds no credentials that stand in addresses, escapes every name, and stays below 5 MB: lists end after some
    rows (and say so), pictures shrink until they fit. Pictures of purposes in ``split.access_log`` are never read.

    Args:
        inputs: what it is about.

    Returns:
        File name → bytes; only ``index.html`` so far.

    Raises:
        StoreError: the parent's tables or the prepared pixels cannot be read.
    """
    context = ReportContext(inputs)
    augmentation = AugmentationSettings.model_validate(context.configuration["augmentation"])
    augmenter = ImageAugmenter(augmentation)
    album = ThumbnailCache(inputs.images, inputs.pixels, augmenter, context.find_withheld)
    sections = _sections(context, album, augmenter)
    album.render()
    return {
        "index.html": render_page(
            album=album,
            colours=figure,
            inputs=inputs,
            root=context.path_root,
            purposes=context.purposes,
            packages=inputs.manifest.get("packages", {}),
            **sections,
        )
    }


def _sections(context: ReportContext, album: ThumbnailCache, augmenter: ImageAugmenter) -> dict[str, Any]:
    checks, split, out = checks_section(context), split_section(context, album), exclusions_section(context)
    return {
        "summary": page_summary(context, checks, split, out),
        "found": inventory_section(context),
        "not_listed": unlisted_section(context),
        "copies": copies_section(context, album),
        "quarantine": quarantine_section(context),
        "split": split,
        "labels": labels_section(context),
        "drawing": sampling_section(context),
        "sheets": sheets_section(context, album, augmenter),
        "checks": checks,
        "changes": changes_section(context),
        "left_out": out,
        "provenance": provenance_section(context),
    }


def render_page(**content: Any) -> bytes:
    """The page as UTF-8.

    Args:
        **content: the sections by name, as `build` makes them, and ``root``, which paths are shown without.
    """
    environment = _make_environment()
    environment.filters["short"] = lambda path: path.removeprefix(content["root"])
    page = environment.get_template("page.html.j2").render(**content)
    return page.encode("utf-8", "backslashreplace")


def _make_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("brev_pipeline.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=text.clean_value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "fit": text.shorten_name,
        "number": text.format_number,
        "percent": text.format_percent,
        "size": text.format_size,
        "counted": text.count_noun,
        "joined": text.join_words,
        "name": _last_part,
    }
    return environment


def _last_part(path: str) -> str:
    """Last part of a path."""
    return path.rstrip("/").rpartition("/")[2] or path
