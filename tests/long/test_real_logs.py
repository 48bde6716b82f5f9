"""Emit the log of the statistics practice through the bus, and compare the views with a recomputation."""

from datetime import date
from pathlib import Path

import pytest

from tests.e2e.conftest import Deployed
from tests.e2e.test_real_logs import STATISTICS, check_log, log, statistics_rows


@pytest.mark.parametrize("path", [log(STATISTICS)], ids=["statistics"])
def test_views_of_a_real_log_equal_recomputation_and_a_second_emit_changes_nothing(
    stack: Deployed, path: Path
) -> None:
    rows = statistics_rows()
    assert (len(rows), len({row["user"] for row in rows})) == (32_504, 478)
    check_log(stack, path, "statistics", "bus", rows, date(2015, 12, 2))
