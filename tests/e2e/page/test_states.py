"""What the page says if something is missing, refused, slow or broken, and what becomes of it."""

import json

import pytest
from playwright.sync_api import Browser, Route, expect

from cli.people import PASSWORD
from tests.e2e.conftest import Deployed
from tests.e2e.page.visits import LEARNER, NEWCOMER, OTHER, PHONE, SCREENSHOTS, TEACHER, TODAY, Visit, visit

VIEWS = "**/progress/**"
DOWN = {"error": {"code": "unavailable", "message": "Try again shortly.", "request_id": "request-503"}}


def break_api(seen: Visit, status: int, body: object = DOWN, **headers: str) -> None:
    """Let the API answer so until it is mended with `page.unroute`."""

    def answer(route: Route) -> None:
        route.fulfill(status=status, body=json.dumps(body), content_type="application/json", headers=headers)

    seen.page.route(VIEWS, answer)


def test_a_learner_who_asks_for_another_is_refused_and_finds_the_way_back(browser: Browser, url: str) -> None:
    with visit(browser, url, at=f"learner={OTHER}&{TODAY}", size=PHONE) as seen:
        seen.sign_in(LEARNER)
        notice = seen.page.get_by_role("alert").filter(has_text="There is no learner")
        expect(notice).to_contain_text(OTHER)
        seen.check("another-learner-refused")
        notice.get_by_role("button", name="Show my progress").click()
        expect(seen.panel("Streak")).to_contain_text("46")
        expect(seen.page.get_by_role("search")).to_have_count(0)


def test_a_teacher_finds_a_learner_and_is_told_of_an_unknown_one(browser: Browser, url: str) -> None:
    with visit(browser, url, at=TODAY) as seen:
        page = seen.page
        seen.sign_in(TEACHER)
        expect(page.get_by_role("heading", name="Your progress begins")).to_be_visible()
        find = page.get_by_label("Find a learner by id")
        find.fill(OTHER)
        find.press("Enter")
        expect(page.get_by_text(f"You are looking at the progress of {OTHER}.")).to_be_visible()
        expect(seen.panel("Readiness")).to_contain_text("On new questions we expect")
        seen.check("teacher")
        find.fill("nobody-at-all")
        find.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("There is no learner nobody-at-all")
        seen.check("unknown-learner")


def test_a_teacher_sees_the_hardest_contents(browser: Browser, url: str) -> None:
    with visit(browser, url, at="view=content") as seen:
        page = seen.page
        seen.sign_in(TEACHER)
        panel = seen.panel("Hardest contents")
        expect(panel).to_contain_text("Subnets")
        page.get_by_label("Certification").select_option("HARD")
        expect(panel).to_contain_text("known of 3 of 3 contents")
        names = panel.get_by_role("rowheader").all_inner_texts()
        assert [name.partition("HARD")[0].strip() for name in names] == [
            "Subnets, part 2",
            "Subnets, part 1",
            "Subnets, part 3",
        ]
        seen.check("contents")
        page.get_by_role("link", name="Progress", exact=True).click()
        expect(page.get_by_role("heading", name="Your progress begins")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "title"), [(503, "can't be shown"), (500, "can't be shown"), (429, "Too many")]
)
def test_if_the_api_is_down_the_page_says_so_and_tries_again(
    browser: Browser, url: str, status: int, title: str
) -> None:
    with visit(browser, url, at=TODAY, size=PHONE) as seen:
        break_api(seen, status)
        seen.sign_in(LEARNER)
        notice = seen.page.get_by_role("alert").filter(has_text=title)
        expect(notice).to_contain_text("request-503")
        seen.check(f"api-{status}")
        seen.page.unroute(VIEWS)
        notice.get_by_role("button", name="Try again").click()
        expect(seen.panel("Streak")).to_be_visible()


def test_an_account_that_is_no_learner_is_told_to_use_another(browser: Browser, url: str) -> None:
    refusal = {
        "error": {"code": "forbidden", "message": "The token names no learner.", "request_id": "r-403"}
    }
    with visit(browser, url) as seen:
        break_api(seen, 403, refusal)
        seen.sign_in(LEARNER)
        expect(seen.page.get_by_role("alert")).to_contain_text("This account has no progress")
        seen.check("forbidden")
        seen.page.get_by_role("alert").get_by_role("button", name="Sign out").click()
        expect(seen.page.get_by_role("heading", name="Sign in to see your progress")).to_be_visible()


def test_who_signs_in_while_offline_is_told_so(browser: Browser, url: str) -> None:
    with visit(browser, url, size=PHONE) as seen:
        expect(seen.page.get_by_label("User name")).to_be_visible()
        seen.page.context.set_offline(True)
        seen.sign_in(LEARNER)
        expect(seen.page.get_by_role("alert")).to_have_text("You are offline")
        seen.check("sign-in-offline")
        seen.page.context.set_offline(False)
        seen.page.get_by_role("button", name="Sign in", exact=True).click()
        expect(seen.page.get_by_role("main")).to_contain_text("Streak")


def test_if_the_api_names_a_time_the_page_tries_again_by_itself(browser: Browser, url: str) -> None:
    with visit(browser, url, at=TODAY) as seen:
        break_api(seen, 503, **{"Retry-After": "1"})
        seen.sign_in(LEARNER)
        expect(seen.page.get_by_role("alert")).to_contain_text("can't be shown")
        seen.page.unroute(VIEWS)
        expect(seen.panel("Streak")).to_be_visible()


def test_what_was_loaded_stays_while_the_api_is_down_and_says_how_old_it_is(
    browser: Browser, url: str
) -> None:
    with visit(browser, url, at=TODAY) as seen:
        seen.sign_in(LEARNER)
        expect(seen.panel("Streak")).to_be_visible()
        break_api(seen, 503)
        refresh = seen.page.get_by_role("button", name="Refresh")
        refresh.click()
        stale = seen.page.get_by_role("status").filter(has_text="New progress can't be loaded right now.")
        expect(stale).to_be_visible()
        expect(seen.panel("Streak")).to_contain_text("46")
        seen.check("stale")
        seen.page.unroute(VIEWS)
        stale.get_by_role("button", name="Try again").click()
        expect(stale).to_have_count(0)


def test_offline_the_page_keeps_what_it_has_and_catches_up_when_there_is_a_connection(
    browser: Browser, url: str
) -> None:
    with visit(browser, url, at=TODAY) as seen:
        seen.sign_in(LEARNER)
        expect(seen.panel("Streak")).to_be_visible()
        seen.page.context.set_offline(True)
        offline = seen.page.get_by_role("status").filter(has_text="You are offline.")
        expect(offline).to_be_visible()
        seen.check("offline")
        seen.page.wait_for_timeout(5_100)
        seen.page.context.set_offline(False)
        expect(offline).to_have_count(0)


@pytest.mark.parametrize(("practised", "is_said"), [(91.0, True), (40.0, False)])
def test_memory_is_a_reason_only_if_more_is_expected_of_practised_questions(
    browser: Browser, url: str, practised: float, is_said: bool
) -> None:
    def answer(route: Route) -> None:
        view = route.fetch().json()
        for progress in view["certification_progress"].values():
            progress["readiness"].update(
                readiness_score=62.0, interval_80=[48.0, 75.0], practice_score=practised
            )
        route.fulfill(json=view)

    with visit(browser, url, at=TODAY) as seen:
        seen.page.route("**/progress/*/dashboard*", answer)
        seen.sign_in(LEARNER)
        panel = seen.panel("How ready you are")
        expect(panel).to_contain_text(f"{practised:.0f}")
        expect(panel).to_contain_text("It says nothing about an exam.")
        assert ("partly because you know them" in (panel.text_content() or "")) is is_said


@pytest.mark.parametrize(
    ("coverage", "said"),
    [
        (0.9, "For a chance of passing, answer more different questions."),
        (1.0, "There are too few questions for a chance of passing."),
    ],
)
def test_without_a_chance_the_page_says_what_it_takes(
    browser: Browser, url: str, coverage: float, said: str
) -> None:
    def answer(route: Route) -> None:
        view = route.fetch().json()
        for progress in view["certification_progress"].values():
            progress["readiness"]["predicted_pass_probability"] = None
            progress["readiness"]["evidence"]["coverage"] = coverage
        route.fulfill(json=view)

    with visit(browser, url, at=TODAY) as seen:
        seen.page.route("**/progress/*/dashboard*", answer)
        seen.sign_in(LEARNER)
        expect(seen.panel("How ready you are")).to_contain_text(said)


def test_a_learner_without_data_is_told_how_to_begin(browser: Browser, url: str) -> None:
    with visit(browser, url, color_scheme="dark") as seen:
        seen.sign_in(NEWCOMER)
        expect(seen.page.get_by_role("heading", name="Your progress begins")).to_be_visible()
        seen.check("without-data-dark")


def test_while_the_first_answer_is_on_its_way_the_page_has_its_shape(browser: Browser, url: str) -> None:
    with visit(browser, url, at=TODAY) as seen:
        held: list[Route] = []
        seen.page.route(VIEWS, lambda route: held.append(route))
        seen.sign_in(LEARNER)
        expect(seen.page.get_by_role("status").filter(has_text="being loaded")).to_be_visible()
        seen.page.wait_for_timeout(300)
        seen.page.screenshot(path=SCREENSHOTS / "loading.png")
        for route in held:
            route.continue_()
        seen.page.unroute(VIEWS)
        expect(seen.panel("Streak")).to_be_visible()


def test_an_expired_token_is_renewed_and_an_ended_session_returns_to_where_one_was(
    browser: Browser, url: str, stack: Deployed
) -> None:
    cognito = stack.stack.client("cognito-idp")
    with visit(browser, url, at=f"learner={OTHER}&{TODAY}") as seen:
        page = seen.page
        page.clock.install()
        page.reload()
        seen.sign_in(TEACHER)
        expect(page.get_by_text(f"You are looking at the progress of {OTHER}.")).to_be_visible()
        page.get_by_role("radio", name="90 days").check()
        page.clock.fast_forward("01:10:00")
        page.get_by_role("button", name="Refresh").click()
        page.wait_for_timeout(500)
        expect(page.get_by_role("dialog")).to_have_count(0)
        cognito.admin_user_global_sign_out(UserPoolId=stack.outputs["UserPoolId"], Username=TEACHER)
        # The page notices by itself: it asks again each minute.
        page.clock.fast_forward("01:10:00")
        dialog = page.get_by_role("dialog", name="Please sign in again")
        expect(dialog).to_be_visible()
        seen.check("expired")
        seen.sign_in(TEACHER, PASSWORD)
        expect(dialog).to_have_count(0)
        expect(page.get_by_text(f"You are looking at the progress of {OTHER}.")).to_be_visible()
        expect(page.get_by_role("radio", name="90 days")).to_be_checked()
