"""The page with real learners' data: the busiest learner of the statistics log, and of the Moodle course."""

import csv
import io
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from cli.mapping import MAPPINGS
from tests.e2e.conftest import Deployed
from tests.e2e.page.visits import PHONE, TEACHER, visit
from tests.e2e.test_real_logs import MOODLE, STATISTICS, emit_and_wait, log, rows_of

CODE = "PAGEREAL"
"""A certification of these tests' own: other tests emit the whole logs under theirs."""


def log_of_the_busiest(path: Path, column: str, content: str, name: str) -> str:
    """Return the rows of the learner with the most of them, under another name, as CSV.

    Their contents get other names too.
    """
    rows = list(rows_of(path))
    [(busiest, _)] = Counter(row[column] for row in rows).most_common(1)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(
        {**row, column: name, content: f"page {row[content]}".replace(" ", "-")}
        for row in rows
        if row[column] == busiest
    )
    return text.getvalue()


@pytest.mark.parametrize(
    ("path", "form", "column", "content", "today"),
    [
        log(STATISTICS, "statistics", "learner", "item", date(2015, 12, 2)),
        log(MOODLE, "moodle", "user", "context", date(2019, 10, 27)),
    ],
    ids=["statistics", "moodle"],
)
def test_a_real_learners_page_shows_what_the_api_answers(
    browser: Browser,
    url: str,
    stack: Deployed,
    tmp_path: Path,
    path: Path,
    form: str,
    column: str,
    content: str,
    today: date,
) -> None:
    name = f"page-real-{form}"
    mapping = (MAPPINGS / f"{form}.toml").read_text("utf-8")
    own = re.sub(
        r'^certification_type = ".*"$', f'certification_type = "{CODE}"', mapping, flags=re.MULTILINE
    )
    assert own != mapping
    (tmp_path / "mapping.toml").write_text(own, "utf-8")
    (tmp_path / "log.csv").write_text(log_of_the_busiest(path, column, content, name))
    emit_and_wait(
        stack, str(tmp_path / "log.csv"), "--format", "csv", "--map", str(tmp_path / "mapping.toml")
    )
    token = stack.token("instructors")
    status, view, _ = stack.call("GET", f"/progress/{name}/dashboard?days=90&today={today}", token)
    assert status == 200
    for size in (PHONE, (1440, 900)):
        with visit(browser, url, at=f"learner={name}&today={today}", size=size) as seen:
            seen.sign_in(TEACHER)
            days = view["study_streak"]["total_study_days"]
            expect(seen.panel("Streak")).to_contain_text(f"Studied on {days} day{'' if days == 1 else 's'}")
            seen.page.wait_for_load_state("networkidle")
            check_readiness(seen.panel("Readiness"), view)
            for award in view["achievements"]:
                expect(seen.panel("Achievements")).to_contain_text(award["title"])
            seen.check(f"real-{form}-{size[0]}")


def check_readiness(panel: Any, view: dict[str, Any]) -> None:
    for code, progress in view["certification_progress"].items():
        expect(panel).to_contain_text(code)
        readiness = progress["readiness"]
        if readiness["readiness_score"] is None:
            expect(panel).to_contain_text("There is no scored answer yet")
        else:
            low, high = (round(bound + 1e-9) for bound in readiness["interval_80"])
            expect(panel).to_contain_text(f"({low}% to {high}%)")
