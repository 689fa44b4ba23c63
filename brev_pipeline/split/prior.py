"""Prior purposes: what known assignments and a given split say of the images, and of byte copies that stand for one.

With ``integrity.duplicates: keep_first`` a copy takes no part in the split; what is said of its name still holds of its
content, and so of the image that stands for it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.labels.columns import DEFECT_AREA, DEFECT_AREA_BIN, HAS_DEFECT, name_label_columns
from brev_pipeline.split.encoding import Ints, Key
from brev_pipeline.split.given import find_given_purposes
from brev_pipeline.split.given_names import GivenFiles
from brev_pipeline.split.keys import fill_missing_items, find_key, find_strata
from brev_pipeline.split.known_assignments import match_known_purposes
from brev_pipeline.split.leak_groups import LeakGroups, build_grouping_rules
from brev_pipeline.split.purposes import find_strictest, rank_strictness
from brev_pipeline.split.selection import SELECTED_SAMPLES
from brev_pipeline.tables import SAMPLE_SPLIT


@dataclass(frozen=True)
class PriorAssignments:
    """What is known of the images before they are split.

    Attributes:
        ledger: assignments of the newest published version, with at least path, content_id, pixel_id, item, stratum
            and purpose (`release.assignments.list_ledger_columns`).
        known: further known assignments, as from `read_known_assignments`.
        given: files of ``split.given``, as from `read_given_file`.
        listed: all listed images, with the columns of the samples (pixel_id aside): what ``known`` and ``split.given``
            say of a byte copy that takes no part counts for the image that has its content; None: there are none.
    """

    ledger: pa.Table | None = None
    known: pa.Table | None = None
    given: GivenFiles | None = None
    listed: pa.Table | None = None


NO_ASSIGNMENTS: Final = PriorAssignments()


@dataclass(frozen=True)
class StatedPurposes:
    """What is said of the images, then of the copies that they stand for.

    Attributes:
        names: the purposes.
        path: (images and copies,)
        item: (images and copies,) name of each one's item.
        row: (images and copies,) the image that has this content.
        known: (images and copies,) purpose that the file of known assignments gives; −1 for none.
        given: (images and copies,) purpose that `split.given` gives; −1 for none.
        images: number of images.
    """

    names: list[str]
    path: pa.ChunkedArray
    item: pa.ChunkedArray
    row: Ints
    known: Ints
    given: Ints
    images: int

    def reduce_to_images(self, purposes: Ints) -> Ints:
        """(images,) the strictest of the purposes (``known`` or ``given``) of each image and its copies."""
        if len(self.row) == self.images:
            return purposes
        return find_strictest(self.row, purposes, rank_strictness(self.names), self.images)


def find_stated_purposes(
    samples: pa.Table, leak_groups: LeakGroups, settings: SplitSettings, prior: PriorAssignments
) -> StatedPurposes:
    """What known assignments and `split.given` say of the images that take part.

    Raises:
        SplitError: as `match_known_purposes` and `find_given_purposes`.
    """
    keys, both, row = leak_groups.keys, samples, np.arange(len(samples))
    if prior.listed is not None and (prior.known is not None or settings.given is not None):
        both, row = _append_copies(samples, prior.listed)
        if len(both) > len(samples):
            keys = _find_keys(both, settings)
    return StatedPurposes(
        names=settings.names,
        path=both["path"],
        item=pa.chunked_array([keys["item"].row_labels()]),
        row=row,
        known=match_known_purposes(prior.known, both, keys, settings.names, prior.ledger),
        given=find_given_purposes(both, settings, prior.given, keys["item"]),
        images=len(samples),
    )


def _append_copies(samples: pa.Table, listed: pa.Table) -> tuple[pa.Table, Ints]:
    """The images and then the listed ones that are none, but whose content one has; and (rows,) which one."""
    listed = name_label_columns(listed)
    image = pc.index_in(listed["content_id"], value_set=samples["content_id"].combine_chunks())
    takes_part = pc.is_in(listed["path"], value_set=samples["path"].combine_chunks())
    copies = pc.and_(image.is_valid(), pc.invert(takes_part))
    count = len(samples)
    if not pc.any(copies, min_count=0).as_py():
        return samples, np.arange(count)
    rows, left_out = image.filter(copies), listed.filter(copies)
    # What is known of pixels and prepared labels, a copy shares with the image that it stands for.
    for name in ("pixel_id", HAS_DEFECT, DEFECT_AREA, DEFECT_AREA_BIN):
        if name in samples.column_names and name not in left_out.column_names:
            left_out = left_out.append_column(name, samples[name].take(rows))
    derived = set(SAMPLE_SPLIT.names) - set(SELECTED_SAMPLES.names)
    names = [name for name in samples.column_names if name in left_out.column_names and name not in derived]
    images = samples.select(names)
    both = pa.concat_tables([images, left_out.select(names).cast(images.schema)])
    return both, np.concatenate([np.arange(count), rows.to_numpy().astype(np.int64)])


def _find_keys(both: pa.Table, settings: SplitSettings) -> dict[str, Key]:
    """Items and strata; what is left out need not have any: it is then one of its own."""
    rules = build_grouping_rules(settings)
    item = fill_missing_items(find_key(both, rules.uniqueness, "uniqueness"), both["path"])
    strata = rules.stratification
    stratum = find_key(both, strata, "stratification") if strata else find_strata(both, None)
    return {"item": item, "stratum": fill_missing_items(stratum, both["path"])}
