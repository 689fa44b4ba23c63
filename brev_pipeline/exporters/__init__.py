"""Exporters: what a version's folder holds for readers that know nothing of this package.

tfds opens the folder by ``dataset_info.json`` and ``features.json``, shows ``label.labels.txt`` as class names and
``metadata.json`` as ``info.metadata``; plain TensorFlow needs no more than the list of features in
``metadata.json``; whoever speaks MLCommons Croissant reads ``croissant.json``. All of them are derived from the
record table and the configuration, say nothing that stands in neither, and belong to the version's content.
"""

from brev_pipeline.exporters.files import export_files

__all__ = ["export_files"]
