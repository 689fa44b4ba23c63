"""Build: from the inputs to the files of the page."""

from typing import Any

from brev_pipeline.augmentation import AugmentationSettings, ImageAugmenter
from brev_pipeline.report.album import Album
from brev_pipeline.report.changes import changes
from brev_pipeline.report.copies import copies
from brev_pipeline.report.division import division
from brev_pipeline.report.drawing import drawing
from brev_pipeline.report.found import found
from brev_pipeline.report.ground import Ground
from brev_pipeline.report.inputs import ReportInputs
from brev_pipeline.report.labels import labels
from brev_pipeline.report.left_out import left_out
from brev_pipeline.report.not_listed import not_listed
from brev_pipeline.report.page import render
from brev_pipeline.report.provenance import provenance
from brev_pipeline.report.quarantine import quarantine
from brev_pipeline.report.sheets import sheets
from brev_pipeline.report.summary import summary
from brev_pipeline.report.verdicts import verdicts


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
    ground = Ground(inputs)
    augmentation = AugmentationSettings.model_validate(ground.configuration["augmentation"])
    augmenter = ImageAugmenter(augmentation)
    album = Album(inputs.images, inputs.pixels, augmenter, ground.withheld)
    sections = _sections(ground, album, augmenter)
    album.develop()
    return {
        "index.html": render(
            album=album,
            inputs=inputs,
            root=ground.root,
            purposes=ground.purposes,
            packages=inputs.manifest.get("packages", {}),
            **sections,
        )
    }


def _sections(ground: Ground, album: Album, augmenter: ImageAugmenter) -> dict[str, Any]:
    checks, split, out = verdicts(ground), division(ground, album), left_out(ground)
    return {
        "summary": summary(ground, checks, split, out),
        "found": found(ground),
        "not_listed": not_listed(ground),
        "copies": copies(ground, album),
        "quarantine": quarantine(ground),
        "split": split,
        "labels": labels(ground),
        "drawing": drawing(ground),
        "sheets": sheets(ground, album, augmenter),
        "checks": checks,
        "changes": changes(ground),
        "left_out": out,
        "provenance": provenance(ground),
    }
