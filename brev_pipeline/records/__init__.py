"""Shards: the TFRecord files that training reads, the same bytes on every run.

A *record* is a ``tf.train.Example`` with one image and what is known of it (`RECORD_FEATURES`); a *shard* is a
file of records; the *plan* says which draw stands where, before any pixel is touched (`plan_shards`). Shards are
written one task each, without TensorFlow (`write_shards`), and read back one record at a time (`read_record`) or
all in order (`records`), every checksum checked.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
