"""What is otherwise in one version, or in what a run would make, than in another version.

Images are told apart by path and by content, so that a renamed folder is renamed, and not gone and new. Nothing here
reads an image, and nothing is written.
"""

from brev_pipeline.diff.images import ImageChanges, compare_images
from brev_pipeline.diff.versions import compare_versions

__all__ = ["ImageChanges", "compare_images", "compare_versions"]
