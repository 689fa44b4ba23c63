"""What a run would do now, found by the stages' own functions, writing nothing.

What the paths and the known contents tell is computed as a run computes it: the listing, the copies, the split with its
ledger, the weights, the draws and the plan of the shards, and which of the records stand in the newest version already.
What only new pixels can tell (whether a file is damaged, how large it is, whose pixels it has) is taken to be well, and
said to be open.
"""

from brev_pipeline.dry_run.document import READ_MB, plan_run

__all__ = ["READ_MB", "plan_run"]
