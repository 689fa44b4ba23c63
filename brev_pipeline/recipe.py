"""Recipe: what a record's bytes depend on besides its row of the plan, as a hash.

The shards' stage takes records over from an earlier version of the same recipe; a version's manifest names it, and the
auditor derives it anew.
"""

import hashlib
import json

from brev_pipeline.config import PipelineConfig
from brev_pipeline.config.image import NO_INGREDIENTS
from brev_pipeline.provenance import code_of
from brev_pipeline.stages import package_versions


def recipe(config: PipelineConfig) -> str:
    """What a record's bytes depend on besides its row of the plan, as a hash: pixels, encoding, the record's schema."""
    from brev_pipeline.records import RECORD_VERSION

    shards = config.shards.model_dump(mode="json", include={"encoding", "jpeg_quality"})
    parts = [RECORD_VERSION, pixel_fingerprint(config), shards]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def pixel_fingerprint(config: PipelineConfig) -> str:
    """What a record's pixels depend on besides its row of the plan: settings, code, and packages that touch pixels."""
    settings = {
        "image": config.image.model_dump(mode="json", exclude=set(NO_INGREDIENTS)),
        "augmentation": config.augmentation.model_dump(mode="json"),
    }
    code = {stage: code_of(stage) for stage in ("prepared_images", "tfrecord_shards")}
    return json.dumps([settings, code, package_versions()], sort_keys=True)
