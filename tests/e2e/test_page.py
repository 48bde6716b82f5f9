"""The dashboard's page in headless Chromium, on the deployed stack: what learners and teachers see."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect

from cli.content import ensure_content
from cli.demo_log import LAST_DAY, demo_catalog, demo_log
from cli.logs import CatalogRow
from cli.people import Person, ensure_people
from tests.e2e.browser import chromium
from tests.e2e.conftest import Deployed
from tests.e2e.page import PHONE, visit, written
from tests.e2e.test_real_logs import emit_and_wait

LEARNER, OTHER, TEACHER, NEWCOMER, LIVE = "page-ada", "page-grace", "page-teacher", "page-new", "page-live"
TODAY = f"today={LAST_DAY}"
TOMORROW = f"today={LAST_DAY + timedelta(days=1)}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def url(stack: Deployed, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page's address, with two learners of the demo's log behind it."""
    ensure_content(
        stack.stack, [*demo_catalog(), CatalogRow("page-live-1", "PAGE", "Storage", None, "Buckets, part 1")]
    )
    lines = [
        json.dumps({**fields, "user_id": fields["user_id"].replace("demo-", "page-")})
        for fields in demo_log().interactions
        if fields["user_id"] in {"demo-ada", "demo-grace"} and not fields["event_id"].startswith("demo")
    ]
    log = written(tmp_path_factory.mktemp("page") / "log.jsonl", lines)
    emit_and_wait(stack, log, "--format", "interactions")
    people = [Person(name, "") for name in (LEARNER, OTHER, NEWCOMER, LIVE)]
    ensure_people(stack.stack, [*people, Person(TEACHER, "", "instructors")])
    return f"{stack.api_url}/"


def test_a_learner_signs_in_sees_every_panel_and_signs_out(browser: Browser, url: str) -> None:
    with visit(browser, url, at=TODAY) as seen:
        page = seen.page
        expect(page.get_by_role("heading", name="Sign in to see your progress")).to_be_visible()
        seen.check("sign-in")
        seen.sign_in(LEARNER, "Wrong-password-1")
        expect(page.get_by_role("alert")).to_have_text(
            "User name or password is not right. Please try again."
        )
        seen.check("sign-in-refused")
        seen.sign_in(LEARNER)
        expect(page.get_by_role("heading", name="You have studied today")).to_be_visible()
        for title, text in {
            "Streak": "46 days in a row",
            "How ready you are": "On new questions we expect",
            "Strong and weak areas": "Troubleshooting",
            "Your year": "Download as an image",
            "Trends": "on average",
            "Recent activity": "interactions",
            "Achievements": "30 Day Streak",
        }.items():
            expect(seen.panel(title)).to_contain_text(text)
        seen.check("dashboard")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in to see your progress")).to_be_visible()
        assert "page-ada" not in page.content()


def test_a_streak_that_is_due_says_so(browser: Browser, url: str) -> None:
    with visit(browser, url, at=TOMORROW, color_scheme="dark") as seen:
        seen.sign_in(LEARNER)
        expect(
            seen.page.get_by_role("heading", name="Study today to keep your streak of 46 days.")
        ).to_be_visible()
        expect(seen.panel("Streak")).to_contain_text("0 of 3 days this week")
        seen.check("due-dark")


def test_no_token_is_stored_or_in_the_address(browser: Browser, url: str) -> None:
    with visit(browser, url, at=TODAY) as seen:
        seen.sign_in(LEARNER)
        expect(seen.panel("Streak")).to_be_visible()
        stored = seen.page.evaluate(
            "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
        )
        assert "eyJ" not in stored
        assert "eyJ" not in seen.page.url
        seen.page.reload()
        expect(seen.page.get_by_role("heading", name="Sign in to see your progress")).to_be_visible()


def test_an_interaction_emitted_meanwhile_is_seen_and_its_award_is_celebrated_once(
    browser: Browser, url: str, stack: Deployed
) -> None:
    token = stack.token(user=f"{LIVE}-admin", group="admins")

    def study(number: int, kind: str) -> None:
        at = datetime.now(UTC) - timedelta(minutes=2, seconds=-number)
        fields = {"content_id": "page-live-1", "interaction_type": kind, "occurred_at": at.isoformat()}
        status, _, _ = stack.call(
            "POST", f"/progress/{LIVE}/interaction", token, {**fields, "event_id": f"page-live-{number}"}
        )
        assert status == 202
        assert stack.streakline("wait", "--timeout", "60")["missing"] == 0

    with visit(browser, url, size=PHONE) as seen:
        page = seen.page
        seen.sign_in(LIVE)
        expect(
            page.get_by_role("heading", name="Your progress begins with the first exercise")
        ).to_be_visible()
        seen.check("empty")
        study(1, "viewed")
        refresh = page.get_by_role("button", name="Refresh")
        for _ in range(60):
            refresh.click()
            if page.get_by_role("heading", name="You have studied today").count():
                break
            page.wait_for_timeout(250)
        expect(page.get_by_role("heading", name="You have studied today")).to_be_visible()
        study(2, "completed")
        for _ in range(60):
            refresh.click()
            if page.get_by_text("new achievements").count():
                break
            page.wait_for_timeout(250)
        celebration = page.get_by_role("status").filter(has_text="new achievements")
        expect(celebration).to_contain_text("PAGE: First Step")
        seen.check("celebration")
        celebration.get_by_role("button", name="Thanks!").click()
        expect(celebration).to_have_count(0)
        refresh.click()
        page.wait_for_timeout(500)
        expect(celebration).to_have_count(0)
