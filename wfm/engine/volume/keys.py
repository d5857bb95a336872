"""The key columns of queues and of their intervals."""

from typing import Final

QUEUE_KEY: Final = ["source", "queue_id"]
INTERVAL_KEY: Final = [*QUEUE_KEY, "interval_start"]
