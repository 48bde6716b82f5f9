"""What learners see: every panel, what changes meanwhile, and nothing of the token afterwards."""

from datetime import UTC, datetime

from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Deployed
from tests.e2e.page.visits import LEARNER, LIVE, PHONE, SCREENSHOTS, TODAY, TOMORROW, visit


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
        page.set_viewport_size({"width": 1280, "height": 880})
        page.wait_for_timeout(300)
        page.screenshot(path=SCREENSHOTS / "readme.png")
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


def refresh_until(page: Page, text: str) -> None:
    """Click on Refresh until the text is on the page, for a minute."""
    for _ in range(240):
        page.get_by_role("button", name="Refresh").click()
        if page.get_by_text(text).count():
            return
        page.wait_for_timeout(250)
    raise AssertionError(f"{text!r} did not appear")


def test_an_interaction_emitted_meanwhile_is_seen_and_its_award_is_celebrated_once(
    browser: Browser, url: str, stack: Deployed
) -> None:
    token = stack.token(user=f"{LIVE}-admin", group="admins")

    def study(number: int, kind: str) -> None:
        # Now, so that it is today however soon after midnight the test runs.
        at = datetime.now(UTC).isoformat()
        fields = {"content_id": "page-live-1", "interaction_type": kind, "occurred_at": at}
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
        refresh_until(page, "You have studied today")
        expect(page.get_by_role("heading", name="You have studied today")).to_be_visible()
        study(2, "completed")
        refresh_until(page, "new achievements")
        celebration = page.get_by_role("status").filter(has_text="new achievements")
        expect(celebration).to_contain_text("PAGE: First Step")
        seen.check("celebration")
        celebration.get_by_role("button", name="Thanks!").click()
        expect(celebration).to_have_count(0)
        refresh.click()
        page.wait_for_timeout(500)
        expect(celebration).to_have_count(0)
