"""Run histories against code with a planted defect, until one of them finds it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.simulation.history import History, history
from tests.simulation.simulation import run

HISTORIES = 300
type Defect = Callable[[pytest.MonkeyPatch], None]


def without_erasures(seed: int) -> History:
    """Return the history of a seed in which nobody is erased or refolded.

    An erasure would show a consumer's defect in ways of its own.
    """
    given = history(seed)
    calm = replace(given.circumstances, erased_learners=0, refolds=0, counts_rarity=False)
    return given.but(circumstances=calm)


def check_found(
    plant: Defect,
    expected: Sequence[str],
    patch: pytest.MonkeyPatch,
    histories: Callable[[int], History] = without_erasures,
) -> None:
    """Plant a defect, and check that a history breaks one of the expected invariants.

    Another violation, such as a record quarantined for a bug, would mean that the planted code is broken.
    """
    plant(patch)
    for seed in range(HISTORIES):
        if violation := run(histories(seed)).violation:
            assert any(each in violation for each in expected), f"seed {seed}: {violation}"
            return
    pytest.fail(f"{HISTORIES} histories did not find the defect")
