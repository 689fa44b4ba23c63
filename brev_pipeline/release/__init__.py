"""Release: the last two stages, and what a split takes from the versions before it.

A version's way leads through `assignments` (what the split goes on from), `shards` (planned, taken over, written) and
`exclusions` (every image that is in no shard, with the rule) to `release_version` (its tables, and what its manifest
says), and by `publishing` it becomes visible.
"""
