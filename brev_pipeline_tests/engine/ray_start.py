"""``ray start`` with patience: Ray itself gives a raylet 30 s to come up, which is little on a busy machine."""

import time

import ray._private.services as services  # noqa: TID253
from ray.scripts.scripts import main  # noqa: TID253

PATIENCE = 180  # seconds
found = services.get_node


def get_node(*arguments, **options):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return found(*arguments, **options)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    services.get_node = get_node
    main()
