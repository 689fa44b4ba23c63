"""Demo: synthetic photos of glass vials, for a first run without a bucket.

A vial stands on the conveyor of an inspection machine; its crimp cap is good, bad (tilted, dented, loose) or
missing. Seed and name decide everything: the same seed gives the same files on one machine.
"""

from brev_pipeline.demo.folder import DemoSummary, Flaw, draw_demo

__all__ = ["DemoSummary", "Flaw", "draw_demo"]
