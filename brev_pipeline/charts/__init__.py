"""Charts: what a run did, as small PNGs for Dagster's UI and the report.

Charts (`class_balance`, `split_shares`, `drawn_shares`) and sheets of photos (`sample_sheet`, `quarantine_sheet`).
Each is a card on white paper, so that it reads in a light and in a dark page, with its numbers written at its marks.
Drawn with matplotlib by `figure`. All names are imported on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
