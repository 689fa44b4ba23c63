"""Release: the last two stages, and what a split takes from the versions before it.

A version's way leads through `assignments` (what the split goes on from), `shards` (planned, taken over, written),
`exclusions` (every image that is in no shard, with the rule), `manifest` (what the version says of itself) and
`release_version` to `publishing`, which makes it visible.
"""
