"""Demo: synthetic photos of glass vials, for a first run without a bucket.

A vial stands on the conveyor of an inspection machine; its crimp cap is good, bad (tilted, dented, loose) or
missing. The photos are computed here, light by light: the scene, the glass and its contents, the label, the cap,
the camera. Seed and name decide everything; see `brev_pipeline.demo.exact` for why the bytes are the same on
every machine.
"""

from brev_pipeline.demo.draw import DemoSummary, Flaw, draw_demo

__all__ = ["DemoSummary", "Flaw", "draw_demo"]
