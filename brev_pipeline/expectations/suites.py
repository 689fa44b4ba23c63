"""The suites: for each stage, the rules that its result must keep before anything after it may run.

They are functions of the configuration because tolerances and policies stand there.
"""

from collections.abc import Callable

from brev_pipeline.config import PipelineConfig
from brev_pipeline.expectations.rules import Rule, Severity, rule_all_true, rule_between, rule_in_set, rule_unique

STATUSES = ["ok", "corrupt", "unsupported", "too_large", "missing", "changed", "stopped", "interrupted"]


def listing_rules(config: PipelineConfig) -> list[Rule]:
    """Rules of what was found."""
    tolerance = config.validation.raw_listing
    return [
        rule_between(
            "enough_images", f"at least {tolerance.min_images} image(s) are listed", "images", low=tolerance.min_images
        ),
        rule_unique("paths_unique", "no image is listed twice", "path"),
        rule_all_true(
            "category_known",
            "every image has at least one category (in the paths of the others listing.category finds none: give it "
            "an alternative that matches them, or leave them out by listing.sample_filter)",
            "has_category",
        ),
        rule_all_true(
            "names_matched",
            "every key of listing.class_mapping and every name of listing.classes is that of some image",
            "names.matched",
            severity="warn",
        ),
        rule_all_true(
            "names_distinct",
            "no two names of classes are the same but for case, spaces, or Unicode's forms",
            "twins.distinct",
            severity="warn",
        ),
        rule_all_true(
            "labels_useful",
            "there are two classes at least, or listing.classes names the only one; and each is named by what is on "
            "its images, not by a folder of all",
            "labels.useful",
            severity="warn",
        ),
        rule_all_true("not_empty", "no file has zero bytes (it will be quarantined)", "has_bytes", severity="warn"),
        rule_between(
            "paths_kept",
            f"at most {tolerance.max_shrinkage:.0%} of the paths in the newest published version are gone (what became "
            "of their contents is judged by sample_integrity)",
            "paths_gone",
            high=tolerance.max_shrinkage,
            severity="warn",
            of_history=True,
            advice="paths_told",
            examples="path_changes",
        ),
    ]


def integrity_rules(config: PipelineConfig) -> list[Rule]:
    """Rules of who is a copy of whom."""
    conflicts: Severity = "error" if config.integrity.label_conflicts == "fail" else "warn"
    most = config.validation.sample_integrity.max_duplicates
    # Where it always stood; every published version's configuration has it there.
    gone = config.validation.raw_listing.max_shrinkage
    return [
        rule_between("nothing_lost", "every listed image has a row, and no other", "rows_lost", low=0, high=0),
        rule_all_true("identity_known", "every image's content is known by checksum", "has_content_id"),
        rule_all_true(
            "readable", "every image's bytes could be read where they had to be", "readable", severity="warn"
        ),
        rule_all_true(
            "no_label_conflict",
            "the same bytes do not stand under two categories",
            "no_label_conflict",
            severity=conflicts,
            examples="conflicts",
        ),
        rule_between(
            "few_copies",
            f"at most {most:.0%} of the images are byte copies",
            "duplicate_share",
            high=most,
            examples="copies",
        ),
        rule_between(
            "not_shrunk",
            f"at most {gone:.0%} of the contents in the newest published version are gone "
            "(validation.raw_listing.max_shrinkage)",
            "contents_gone",
            high=gone,
            of_history=True,
            advice="contents_told",
            examples="content_changes",
        ),
    ]


def image_rules(config: PipelineConfig) -> list[Rule]:
    """Rules of the decoded images."""
    conflicts: Severity = "error" if config.integrity.label_conflicts == "fail" else "warn"
    most = config.validation.prepared_images.max_quarantined
    least = config.validation.prepared_images.min_range_used
    return [
        rule_between("nothing_lost", "every content has a row, and no other", "contents_lost", low=0, high=0),
        rule_unique("contents_unique", "no content is prepared twice", "content_id"),
        rule_in_set("status_known", "every status is a known one", "status", STATUSES),
        rule_all_true("reason_given", "every image in quarantine has its reason", "reason_given"),
        rule_all_true(
            "pixels_kept",
            "every usable image has its pixels in the store, of the wanted size and channels",
            "pixels_kept",
        ),
        rule_all_true(
            "all_judged",
            "the decoding of every image came to its end (a higher image.max_seconds gives it time), or "
            "validation.prepared_images.accept_unjudged lists the image's path or content id",
            "judged",
        ),
        rule_between(
            "few_quarantined", f"at most {most:.0%} of the contents are unusable", "quarantined_share", high=most
        ),
        rule_all_true("not_blank", "no usable image is of one single colour", "not_blank", severity="warn"),
        rule_all_true(
            "read_cleanly",
            "no usable image was read in spite of a decoder's warning (image.strict_jpeg refuses such JPEGs)",
            "read_cleanly",
            severity="warn",
        ),
        rule_between(
            "range_used",
            f"every image of more than 8 bits uses at least {least:.0%} of what becomes black to white, and shows as "
            "much of its own range (image.intensity)",
            "deep.share",
            low=least,
            severity="warn",
            advice="advice",
        ),
        rule_all_true(
            "no_pixel_label_conflict",
            "the same pixels do not stand under two categories",
            "no_pixel_conflict",
            severity=conflicts,
            examples="pixel_conflicts",
        ),
        rule_all_true(
            "accepted_matched",
            "every entry of validation.prepared_images.accept_unjudged is a listed path, or the content id of one",
            "accepted.matched",
            severity="warn",
        ),
    ]


def split_rules(config: PipelineConfig) -> list[Rule]:
    """Rules of the split: first of all, no leak."""
    tolerance = config.validation.sample_split.max_fraction_error
    moves: Severity = "warn" if config.split.allow_moves else "error"
    additions: Severity = "warn" if config.split.allow_additions else "error"
    return [
        rule_between("nothing_lost", "every usable image has a row, and no other", "rows_lost", low=0, high=0),
        rule_in_set("purpose_known", "every image has one of the configured purposes", "purpose", config.split.names),
        rule_all_true("leak_groups_whole", "no leak group stands on two sides", "leak_group_whole"),
        rule_all_true("contents_whole", "no byte copies stand on two sides", "content_whole"),
        rule_all_true("pixels_whole", "no pixel copies stand on two sides", "pixels_whole"),
        rule_between(
            "fractions_met",
            f"each stratum's shares are within {tolerance:.0%}, or one leak group, of the wanted ones",
            "strata.excess_error",
            high=tolerance,
        ),
        rule_all_true(
            "strata_on_every_side",
            "every stratum with enough leak groups stands on every side",
            "strata.on_every_side",
            severity="warn",
        ),
        rule_all_true(
            "groups_fit",
            "no leak group is larger than its purpose's whole quota in a stratum",
            "oversize.fits",
            severity="warn",
        ),
        rule_all_true(
            "purposes_filled",
            "every purpose that has a share, or that split.given names, has images, where there are leak groups enough "
            "(where each stratum has few: a higher share, coarser split.stratification, or a share of 0)",
            "purposes.filled",
        ),
        rule_all_true(
            "classes_divided",
            "every class has images of several items, and stands on every side that has a share",
            "classes.divided",
            severity="warn",
        ),
        rule_all_true(
            "strata_are_classes",
            "every stratum is a class, or a part of one that is large enough to be divided",
            "class_strata.of_one_class",
            severity="warn",
        ),
        rule_all_true(
            "labels_kept",
            "every class has the label that it had in the newest published version",
            "labels.kept",
            of_history=True,
        ),
        rule_all_true(
            "ledger_kept",
            "no assignment of an earlier version, or of the known ones, was changed (split.allow_moves)",
            "moved.kept",
            severity=moves,
            of_history=True,
        ),
        rule_all_true(
            "given_kept",
            "every image stands where split.given puts it (split.allow_moves)",
            "overruled.kept",
            severity=moves,
            of_history=True,
        ),
        rule_all_true(
            "locks_kept",
            "no new image came to a locked purpose (split.allow_additions)",
            "additions.allowed",
            severity=additions,
            of_history=True,
        ),
        rule_between(
            "known_matched",
            "every row of the file of known assignments (split.ledger_csv) means a listed image",
            "known_unmatched",
            high=0,
            severity="warn",
            of_history=True,
            advice="known_told",
            examples="known",
        ),
        rule_between(
            "given_matched",
            "every name in the files of split.given means a listed image, and every key of split.given.words is a word "
            "that is found there",
            "given_unmatched",
            high=0,
            severity="warn",
            of_history=True,
            advice="given_told",
            examples="given",
        ),
    ]


def weight_rules(config: PipelineConfig) -> list[Rule]:
    """Rules of the weight table."""
    return [
        rule_in_set("purpose_known", "every row has one of the configured purposes", "purpose", config.split.names),
        rule_between("weights_positive", "every group is drawn", "rows.probability", low=1e-12, high=1.0),
        rule_between("probabilities_sum", "the probabilities of a purpose sum to 1", "purposes.error", high=1e-9),
        rule_between("nothing_lost", "every image of the split is in one group", "rows_lost", low=0, high=0),
        rule_between(
            "draws_follow_weights",
            "each group's draws are its share of the epoch, rounded",
            "rows.draws_error",
            high=1.0,
        ),
    ]


def shard_rules(config: PipelineConfig) -> list[Rule]:
    """Rules of the records."""
    return [
        rule_in_set("purpose_known", "every record has one of the configured purposes", "purpose", config.split.names),
        rule_all_true("purpose_of_split", "every record's image has that purpose in the split", "purpose_of_split"),
        rule_all_true("places_unique", "no two records stand at the same place", "place_unique"),
        rule_all_true("label_known", "every label is a class of the version", "label_known"),
        rule_between("nothing_lost", "every image of devel and test has its record", "never_recorded", low=0, high=0),
        rule_between(
            "frequencies_met",
            "each group is recorded as often as the weights say, to within one record per epoch",
            "groups.records_error",
            high=1.0,
        ),
        rule_between("shards_even", "the shards of a purpose differ by at most one record", "shards.spread", high=1),
        rule_all_true(
            "classes_drawn",
            "every class of a sampled purpose has a record in each epoch",
            "classes.drawn",
            severity="warn",
        ),
    ]


SUITES: dict[str, Callable[[PipelineConfig], list[Rule]]] = {
    "raw_listing": listing_rules,
    "sample_integrity": integrity_rules,
    "prepared_images": image_rules,
    "sample_split": split_rules,
    "sampling_weights": weight_rules,
    "tfrecord_shards": shard_rules,
}
"""Stage → its suite, in the order of the flow; it compares the stage's table with those that the stage reads."""
