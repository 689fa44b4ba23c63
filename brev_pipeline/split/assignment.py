"""Assignment: the split of a pipeline's listing, from table to table."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.labels.columns import AREA_BIN_FIELD, DEFECT_AREA, DEFECT_AREA_BIN, bin_areas
from brev_pipeline.labels.identity import LABEL_ID
from brev_pipeline.split.encoding import Bools, Floats, Ints, find_first_rows
from brev_pipeline.split.leak_groups import LeakGroups, assign_leak_groups, build_grouping_rules
from brev_pipeline.split.methods import run_method
from brev_pipeline.split.prior import NO_ASSIGNMENTS, PriorAssignments, find_stated_purposes
from brev_pipeline.split.problem import build_problem
from brev_pipeline.split.purposes import (
    OPEN,
    build_share_array,
    find_closed_purposes,
    find_given_groups,
    number_ledger_purposes,
)
from brev_pipeline.tables import SAMPLE_SPLIT, conform_table, extend_schema
from brev_pipeline.texts import TEXT

_ASSIGNERS = pa.array(["new", "duplicate", "ledger", "given"], TEXT)


def assign_purposes(samples: pa.Table, settings: SplitSettings, prior: PriorAssignments = NO_ASSIGNMENTS) -> pa.Table:
    """Give every image a purpose; no leak group stands on two sides, and what the ledger says stays.

    The result does not depend on the order of the rows. With ``ranked_hash`` a stratum's result depends on its own
    rows alone, and those of strata that leak groups connect it with.

    Args:
        samples: images that `select_samples` chose, one row each.
        settings: of the split.
        prior: what is known before: the ledger, known assignments, a given split.

    Returns:
        `tables.SAMPLE_SPLIT`, and behind it the columns of labels that the samples have (`find_label_fields`); one row
        per sample, sorted by path. ``assigned_by`` is ``ledger`` where the image's
        item was known, ``given`` where ``split.given`` names its purpose, ``duplicate`` where a copy brought its leak
        group a purpose, else ``new``. What is given is divided no further and counts in no share; where the ledger
        says otherwise, that stays.

    Raises:
        SplitError: the samples cannot be divided as asked: a bad pattern, a missing column, rows without a key, no
            rows, or a known or given purpose that the configuration does not have.
    """
    samples = append_area_bins(_sort_samples(samples), settings)
    leak_groups = assign_leak_groups(samples, build_grouping_rules(settings), prior.ledger)
    stated = find_stated_purposes(samples, leak_groups, settings, prior)
    known, given = stated.reduce_to_images(stated.known), stated.reduce_to_images(stated.given)
    past = number_ledger_purposes(prior.ledger, settings.names)
    fixed = fix_group_purposes(leak_groups, settings.names, known, given, past)
    rest = ~find_given_groups(given, leak_groups.row_group, leak_groups.group_count)
    purpose = fixed.copy()
    if rest.any():
        shares, closed = build_share_array(settings), find_closed_purposes(settings, np.concatenate([known, past]))
        remainder = _find_remainder(settings, shares, closed)
        draw = build_problem(leak_groups, shares, closed, remainder, settings.seed, fixed, folds=settings.folds or 0)
        # What is given is no part of the question, so that it counts in no share.
        purpose[rest] = run_method(settings.method, draw if rest.all() else draw.restrict_to(rest))
    held = (fixed != OPEN)[leak_groups.row_group]
    assigner = np.where(leak_groups.mark_known_rows(known), 2, np.where(given != OPEN, 3, held.astype(np.int64)))
    return _build_split_table(samples, leak_groups, settings.names, purpose, assigner)


def fix_group_purposes(leak_groups: LeakGroups, names: list[str], known: Ints, given: Ints, past: Ints) -> Ints:
    """(groups,) the purpose that each leak group has before any is drawn; −1 for none. What was known goes first.

    ``known`` and ``given`` (images,) are the purposes by the file of known assignments and by `split.given`, ``past``
    (ledger rows,) those in the ledger; −1 for none.
    """
    fixed = leak_groups.find_strictest_purposes(names, known, past)
    fixed = np.where(fixed == OPEN, leak_groups.find_strictest_purposes(names, given, np.full(len(past), OPEN)), fixed)
    return fixed[: leak_groups.group_count]


def _find_remainder(settings: SplitSettings, shares: Floats, closed: Bools) -> int:
    """The purpose that takes what is left: the configured one, unless it is locked or has no share."""
    able = np.flatnonzero(~closed)
    if not len(able):
        raise SplitError(
            f"all purposes are locked ({', '.join(settings.locked)}), so new images have nowhere to go: set "
            "split.allow_additions: true, or lock fewer purposes"
        )
    wanted = able[shares[able] > 1e-9]
    return int((wanted if len(wanted) else able)[-1])


def append_area_bins(samples: pa.Table, settings: SplitSettings) -> pa.Table:
    """The samples, with ``defect_area`` in bins too, where that is configured and there are labels."""
    names = samples.column_names
    if settings.area_bins is None or DEFECT_AREA not in names or DEFECT_AREA_BIN in names:
        return samples
    bins = bin_areas(samples[DEFECT_AREA], settings.area_bins)
    return samples.add_column(names.index(DEFECT_AREA) + 1, AREA_BIN_FIELD, bins)


def _sort_samples(samples: pa.Table) -> pa.Table:
    # The result must not hang on the order in which the rows come.
    paths = samples["path"]
    if not pc.all(pc.less_equal(paths[:-1], paths[1:])).as_py():
        samples = samples.sort_by("path")
        paths = samples["path"]
    twice = pc.equal(paths[:-1], paths[1:])
    if pc.any(twice).as_py():
        some = ", ".join(paths[:-1].filter(twice)[:5].to_pylist())
        raise SplitError(
            f"{pc.sum(twice)} paths stand in the listing more than once: {some}; list each place in one dataset only"
        )
    return samples


def _build_split_table(
    samples: pa.Table, leak_groups: LeakGroups, names: list[str], purpose: Ints, assigner: Ints
) -> pa.Table:
    groups = leak_groups.row_group
    added = {
        "item": leak_groups.item.row_labels(),
        "stratum": leak_groups.stratum.row_labels(),
        "leak_group": samples["path"].take(pa.array(find_first_rows(groups, leak_groups.group_count)[groups])),
        "purpose": pa.array(names, TEXT).take(pa.array(purpose[groups])),
        "assigned_by": _ASSIGNERS.take(pa.array(assigner)),
    }
    for name, column in added.items():
        samples = samples.append_column(name, column)
    further = [name for name in samples.column_names if name not in SAMPLE_SPLIT.names]
    carried = samples.select(further).schema if LABEL_ID in further else pa.schema([])
    return conform_table(samples, extend_schema(SAMPLE_SPLIT, carried), "sample_split")
