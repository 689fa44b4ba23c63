"""Early checks: the faults of the split that paths and configuration alone show, told before a pixel is read.

What is raised is what the split itself would raise, or what its checks would block. What hangs on contents is left to
them: copies, items that are named by their content, and where an earlier version knows the images by theirs, what only
a new image says, which may turn out to be damaged.
"""

from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from brev_pipeline.config import SplitSettings
from brev_pipeline.errors import SplitError
from brev_pipeline.labels.columns import find_label_fields, name_label_columns
from brev_pipeline.labels.identity import LABEL_ID
from brev_pipeline.split.assignment import fix_group_purposes
from brev_pipeline.split.encoding import Ints
from brev_pipeline.split.given import find_given_purposes
from brev_pipeline.split.keys import find_key, has_key_columns
from brev_pipeline.split.known_assignments import match_known_purposes
from brev_pipeline.split.leak_groups import LeakGroups, assign_leak_groups, build_grouping_rules
from brev_pipeline.split.prior import NO_ASSIGNMENTS, PriorAssignments, StatedPurposes
from brev_pipeline.split.purposes import OPEN, find_given_groups, number_ledger_purposes, number_purposes
from brev_pipeline.split.report import find_overruled
from brev_pipeline.split.selection import SELECTED_SAMPLES
from brev_pipeline.tables import extend_schema
from brev_pipeline.texts import TEXT

_SHOWN: Final = 3


def check_split_early(
    listing: pa.Table,
    settings: SplitSettings,
    prior: PriorAssignments = NO_ASSIGNMENTS,
    *,
    conflicts_leave: bool = False,
) -> None:
    """Refuse a listing that cannot be divided as asked, as far as its paths show it.

    Args:
        listing: `tables.RAW_LISTING`, or some of its columns, and what labels say. Files of no bytes do not count:
            they are in no split.
        settings: of the split.
        prior: what is known before; its ``listed`` is not read.
        conflicts_leave: images of the same bytes under two classes will be left out, so that what is given of them does
            not count; paths do not tell which they are.

    Raises:
        SplitError: a pattern or a column cannot be used, a path has no key, all images are one item; what is given has
            words of no purpose, puts an item on two sides or where it cannot stand, or names a purpose that nothing
            gets; or the ledger or the known assignments hold what the configuration does not have.
    """
    rules, names, ledger = build_grouping_rules(settings), settings.names, prior.ledger
    whole_schema = extend_schema(
        SELECTED_SAMPLES, pa.schema(find_label_fields(listing.schema, area_bins=settings.area_bins is not None))
    )
    for spec, name in ((rules.stratification, "stratification"), (rules.uniqueness, "uniqueness")):
        if spec:  # of no rows: whether the pattern and the columns can be used at all
            find_key(whole_schema.empty_table(), spec, name)
    past = number_ledger_purposes(ledger, names)
    samples = name_label_columns(listing.filter(pc.greater(listing["size"], 0)))
    samples = samples.select([name for name in whole_schema.names if name in samples.column_names])
    if not len(samples):
        return
    if LABEL_ID in whole_schema.names and LABEL_ID not in samples.column_names:  # it tells that there are labels
        samples = samples.append_column(LABEL_ID, pa.nulls(len(samples), TEXT))
    by_paths, by_strata = (
        not spec or has_key_columns(samples, spec) for spec in (rules.uniqueness, rules.stratification)
    )
    rules = replace(
        rules,
        # Each image stands for an item where only contents name one.
        uniqueness=rules.uniqueness if by_paths else ["path"],
        stratification=rules.stratification if by_strata else None,
        copies=(),
    )
    # Only where the paths show every leak group but for copies can they show what stands against what is given.
    whole = settings.given is not None and by_paths and by_strata
    leak_groups = assign_leak_groups(samples, rules, ledger if whole else None)
    given = find_given_purposes(samples, settings, prior.given, leak_groups.item if by_paths else None)
    known, all_known = np.full(len(samples), OPEN), True
    if prior.known is not None:
        present = [*samples.column_names, *(["item", "stratum"] if by_paths else ["stratum"])]
        later = {"item", "stratum", *whole_schema.names} - set(present)
        if set(prior.known.column_names) & later:
            all_known = False
            number_purposes(prior.known["purpose"], names, "the file of known assignments")
        else:
            known = match_known_purposes(prior.known, samples, leak_groups.keys, names, ledger)
    # Where nothing is given to any image, a table may name them by what only their contents show.
    if not (whole and all_known and (given != OPEN).any()):
        return
    fixed = fix_group_purposes(leak_groups, names, known, given, past)
    if not (settings.allow_moves or conflicts_leave):
        items, rows = pa.chunked_array([leak_groups.item.row_labels()]), np.arange(len(samples))
        stated = StatedPurposes(names, samples["path"], items, rows, known, given, len(samples))
        overruled = find_overruled(leak_groups, stated, past, fixed[leak_groups.row_group])
        if ledger is not None:
            overruled = overruled.filter(pc.is_in(overruled["path"], value_set=ledger["path"].combine_chunks()))
        _refuse_overruled(overruled)
    # Images that an earlier version has may have been renamed: only their contents tell that they fill a purpose.
    if ledger is None:
        _refuse_unfilled(leak_groups, settings, given, fixed)


def _refuse_overruled(overruled: pa.Table) -> None:
    """Raise where images cannot stand where they are given; the check given_kept would find them later."""
    if not len(overruled):
        return
    some = "; ".join(
        f"{row['path']} is given {row['given']}, but its item {row['item']} stands in {row['stands_in']} by "
        f"{row['because']}"
        for row in overruled.slice(0, _SHOWN).to_pylist()
    )
    items = len(pc.unique(overruled["item"]))
    raise SplitError(
        f"split.given: {len(overruled)} images of {items} items cannot stand where it puts them, as an item stands on "
        f"one side: {some}{'; …' if len(overruled) > _SHOWN else ''}. Correct the folder, row or list that is wrong, "
        "or split.uniqueness where it joins too much, or take out an image that is damaged; split.allow_moves: true "
        "accepts it as it stands"
    )


def _refuse_unfilled(leak_groups: LeakGroups, settings: SplitSettings, given: Ints, fixed: Ints) -> None:
    """Raise where a purpose that `split.given` names is sure to get no image; the check purposes_filled would find it.

    ``given`` is of the images; ``fixed`` the purposes of groups that are certain, −1 where one is to be drawn.
    """
    assert settings.given is not None
    named = settings.given.named_purposes
    drawn = {name for name, share in settings.shares.items() if share > 0}
    filled = {settings.names[number] for number in np.unique(fixed[fixed != OPEN]).tolist()}
    if (fixed[~find_given_groups(given, leak_groups.row_group, leak_groups.group_count)] == OPEN).any():
        # Where all drawn ones are locked, another takes what is left.
        filled |= drawn if drawn - set(settings.locked) else set(settings.names)
    if leak_groups.group_count < len(drawn | named) or not (lacking := sorted(named - filled)):
        return
    by = ", ".join(f"{word}: {purpose}" for word, purpose in settings.given.words.items() if purpose in lacking)
    raise SplitError(
        f"split.given: no path, row, list or label gives an image to {', '.join(lacking)}"
        f"{f' (split.given.words has {by})' if by else ''}; {int((given != OPEN).sum())} of {len(given)} images are "
        "given others. Correct the word or the list, or take it out"
    )
