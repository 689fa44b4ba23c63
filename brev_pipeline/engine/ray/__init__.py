"""The engine of a Ray cluster: `engine` reaches it, `pool` has its actors do the tasks."""
