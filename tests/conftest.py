"""Settings that hold for the whole suite."""

import os

from hypothesis import settings

# There is no deadline, because machines under load are slow. A failure prints the `@reproduce_failure` line
# that replays it. CI tries the same examples every time, so that it fails only for the change it tests.
settings.register_profile(
    "streakline", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("streakline")
