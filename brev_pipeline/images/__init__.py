"""Images: from the bytes of a file to the pixels that are trained on.

A damaged file is refused with a reason, never half-decoded; the same bytes give the same pixels on every CPU;
each content is decoded once in its life.

Terms: a *header* is what a file says of itself before a pixel is decoded; to *decode* gives upright 8-bit
pixels in the wanted channels; to *prepare* decodes, cuts out the regions of interest, resizes and pads; a
*pixel cache* holds prepared pixels in the store.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
