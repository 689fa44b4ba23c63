"""Build: from the inputs to the files of the page, by Jinja's templates over the sections, with every text escaped."""

import jinja2

from brev_pipeline.augmentation import AugmentationSettings, ImageAugmenter
from brev_pipeline.charts import figure
from brev_pipeline.config.labels import find_border
from brev_pipeline.report import text
from brev_pipeline.report.changes import changes_section
from brev_pipeline.report.checks import checks_section, page_summary
from brev_pipeline.report.context import ReportContext, ReportInputs
from brev_pipeline.report.copies import copies_section
from brev_pipeline.report.exclusions import exclusions_section, quarantine_section
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
    kinds = (one["kind"] for dataset in context.configuration["datasets"] for one in dataset.get("labels", ()))
    augmenter = ImageAugmenter(augmentation, border=find_border(kinds))
    album = ThumbnailCache(inputs.images, inputs.pixels, augmenter, context.find_withheld)
    checks, split, out = checks_section(context), split_section(context, album), exclusions_section(context)
    sections = {
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
    # Only now is it known which pictures are shown.
    album.render()
    page = _make_environment(context.path_root).get_template("page.html.j2")
    packages = inputs.manifest.get("packages", {})
    shown = page.render(
        **sections, album=album, colours=figure, inputs=inputs, purposes=context.purposes, packages=packages
    )
    # Halves of characters, of names that are no UTF-8, have no other encoding.
    return {"index.html": shown.encode("utf-8", "backslashreplace")}


def _make_environment(root: str) -> jinja2.Environment:
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
        "name": lambda path: path.rstrip("/").rpartition("/")[2] or path,
        "short": lambda path: path.removeprefix(root),
    }
    return environment
