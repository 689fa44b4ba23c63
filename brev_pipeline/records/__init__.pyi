from .example import decode_example as decode_example
from .example import encode_example as encode_example
from .record_reader import (
    decode_record_pixels as decode_record_pixels,
)
from .record_reader import (
    iterate_records as iterate_records,
)
from .record_reader import (
    read_record as read_record,
)
from .reuse import PreviousRecords as PreviousRecords
from .schema import (
    RECORD_FEATURES as RECORD_FEATURES,
)
from .schema import (
    RECORD_VERSION as RECORD_VERSION,
)
from .schema import (
    RecordFeature as RecordFeature,
)
from .schema import (
    feature_spec as feature_spec,
)
from .schema import (
    record_features as record_features,
)
from .schema import (
    tfds_features as tfds_features,
)
from .shard_plan import SHARD_PLAN as SHARD_PLAN
from .shard_plan import plan_shards as plan_shards
from .shard_plan import shard_name as shard_name
from .shard_writer import RecordBuilder as RecordBuilder
from .write import remove_progress as remove_progress
from .write import shard_files as shard_files
from .write import write_shards as write_shards
