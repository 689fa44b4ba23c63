"""Reading: the records of a published version, for training.

`read` finds a version and gives the `Records` of one purpose: one record at a time by number, or all of them as a
``tf.data.Dataset``, a PyTorch data set, or NumPy arrays. A record is found by its row of the record table, so any
of them can be read without the others; what is read is checked against the checksum in that table.

This room knows what shards and versions look like, and nothing of how they are made. TensorFlow and PyTorch are
imported by the methods that are about them, and by no others.
"""

from brev_pipeline.readers.access_log import Access, AccessLog
from brev_pipeline.readers.open import read
from brev_pipeline.readers.records import Records
from brev_pipeline.readers.samples import FIELDS

__all__ = ["FIELDS", "Access", "AccessLog", "Records", "read"]
