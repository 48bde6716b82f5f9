"""SnapStart: the work before Lambda copies a process, and randomness that the copies do not share."""

import os
import random
from collections.abc import Callable
from functools import cache


def prepare(*steps: Callable[[], object]) -> None:
    """Run these steps now if Lambda is about to take a snapshot of this process.

    The module of a function calls this when it is imported. The steps make what takes long, such as clients.
    They must read no data and open no connection: both would be stale in the copies.
    """
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        for step in steps:
            step()


@cache
def reseed() -> None:
    """Give this process randomness of its own, at its first invocation.

    All processes that start from a snapshot would draw the same pauses, botocore's too, and so collide again
    after each of them. Snapshots are taken before the first invocation.
    """
    random.seed()
