"""Run histories against code with a planted defect, until one of them finds it."""

from collections.abc import Callable, Sequence

import pytest

from tests.simulation.history import history
from tests.simulation.simulation import run

HISTORIES = 300
type Defect = Callable[[pytest.MonkeyPatch], None]


def check_found(plant: Defect, expected: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    """Plant a defect, and check that a history breaks one of the expected invariants.

    Another violation, such as a record quarantined for a bug, would mean that the planted code is broken.
    """
    plant(patch)
    for seed in range(HISTORIES):
        if violation := run(history(seed)).violation:
            assert any(each in violation for each in expected), f"seed {seed}: {violation}"
            return
    pytest.fail(f"{HISTORIES} histories did not find the defect")
