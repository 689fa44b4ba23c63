"""Preview: one sheet that shows a person what a configuration makes of its photos, before any run.

For each class some photos: as they lie in the bucket, as prepared, and as the first draws of the first epoch would
augment them, with the seeds that the pipeline would use. `gather_exhibits` looks the photos up and computes the
pictures, `describe_augmentation` says in words what an augmentation did, `draw_sheet` lays all of it out.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
