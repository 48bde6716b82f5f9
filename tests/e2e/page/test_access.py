"""The page for everybody: any screen and contrast, right to left, with the keyboard alone, and odd texts."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from cli.people import PASSWORD
from tests.e2e.page.visits import LEARNER, ODD, ODD_TEXTS, PHONE, SCREENSHOTS, TEACHER, TODAY, TOMORROW, visit

WALL = (2560, 1440)
FOCUSED = """() => {
    const focused = document.activeElement;
    const names = [focused.getAttribute("aria-label"), focused.textContent, focused.labels?.[0]?.textContent];
    // A radio button shows its focus on its label. Behind the last element, the page has it.
    const places = [focused, focused.closest("label")].filter(Boolean);
    const outlined = places.some((place) => getComputedStyle(place).outlineStyle !== "none");
    const visible = focused === document.body || outlined;
    return [names.map((name) => name?.trim()), visible];
}"""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("phone", {"size": PHONE}),
        ("phone-dark", {"size": PHONE, "color_scheme": "dark"}),
        ("wall", {"size": WALL}),
        ("tablet", {"size": (820, 1180)}),
        ("high-contrast", {"forced_colors": "active"}),
        ("more-contrast", {"contrast": "more"}),
        ("german-dark", {"locale": "de-AT", "color_scheme": "dark"}),
    ],
)
def test_the_dashboard_is_accessible_and_fits(
    browser: Browser, url: str, name: str, options: dict[str, Any]
) -> None:
    with visit(browser, url, at=TOMORROW, **options) as seen:
        page = seen.page
        page.locator("input[name=name]").fill(LEARNER)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("button[type=submit]").click()
        expect(page.locator(".year rect").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        for summary in page.locator("summary").all():
            summary.click()
        seen.check(f"dashboard-{name}")
        if name.startswith("german"):
            expect(page.get_by_role("heading", name="Lerne heute, um deine Serie zu halten")).to_be_visible()
            assert page.evaluate("document.documentElement.lang") == "de"
            # The reader's locale writes numbers, not only the language.
            expect(seen.panel("Erfolge")).to_contain_text("Punkte")


def test_the_page_works_from_right_to_left(browser: Browser, url: str) -> None:
    def mirrored(route: Route) -> None:
        texts = route.fetch().json()
        route.fulfill(body=json.dumps({**texts, "direction": "rtl"}), content_type="application/json")

    for size, name in ((PHONE, "phone"), ((1440, 900), "desktop")):
        with visit(
            browser,
            url,
            at=TOMORROW,
            size=size,
            prepare=lambda page: page.route("**/languages/en.json", mirrored),
        ) as seen:
            seen.sign_in(LEARNER)
            expect(seen.panel("Streak")).to_be_visible()
            seen.page.wait_for_load_state("networkidle")
            seen.check(f"right-to-left-{name}")
            first, last = seen.page.locator(".week li").first, seen.page.locator(".week li").last
            one, two = first.bounding_box(), last.bounding_box()
            assert one
            assert two
            assert one["x"] > two["x"], "Monday is at the right"


def test_everything_works_with_the_keyboard_alone(browser: Browser, url: str) -> None:
    with visit(browser, url, at=TODAY) as seen:
        page, keys = seen.page, seen.page.keyboard
        expect(page.get_by_label("User name")).to_be_focused()
        keys.type(TEACHER)
        keys.press("Tab")
        keys.type(PASSWORD)
        keys.press("Enter")
        expect(page.get_by_role("heading", name="Your progress begins")).to_be_visible()

        def tab_to(name: str) -> None:
            for _ in range(60):
                keys.press("Tab")
                names, visible = page.evaluate(FOCUSED)
                assert visible, f"the focus on {names} can't be seen"
                if name in names:
                    return
            raise AssertionError(f"Tab does not reach {name}")

        tab_to("Find a learner by id")
        keys.type(LEARNER)
        keys.press("Enter")
        expect(page.get_by_text(f"You are looking at the progress of {LEARNER}.")).to_be_visible()
        expect(page.locator("main")).to_be_focused()
        tab_to("Show as a table")
        keys.press("Enter")
        expect(page.get_by_role("rowheader", name="Pass mark")).to_be_visible()
        tab_to("30 days")
        keys.press("ArrowRight")
        expect(page.get_by_role("radio", name="90 days")).to_be_checked()
        tab_to("Show all others")
        keys.press("Enter")
        expect(page.get_by_role("heading", name="All others")).to_be_visible()
        seen.check("keyboard")
        tab_to("Refresh")
        keys.press("Enter")
        tab_to("Sign out")
        keys.press("Enter")
        expect(page.get_by_role("heading", name="Sign in to see your progress")).to_be_visible()


@pytest.mark.parametrize("size", [PHONE, (1440, 900)], ids=["phone", "desktop"])
def test_odd_texts_are_shown_as_they_are_and_never_run(
    browser: Browser, url: str, size: tuple[int, int]
) -> None:
    with visit(browser, url, size=size) as seen:
        page = seen.page
        opened: list[str] = []
        page.on("dialog", lambda dialog: opened.append(dialog.message))
        seen.sign_in(ODD)
        areas = seen.panel("Strong and weak areas")
        expect(areas).to_be_visible()
        assert page.locator("main img, main script, main b").count() == 0
        text = re.sub(r"\s+", " ", areas.inner_text())
        for odd in ODD_TEXTS:
            assert re.sub(r"\s+", " ", odd[:100]).strip() in text, odd
        page.get_by_role("button", name="Show all others").click()
        expect(page.get_by_role("heading", name="All others")).to_be_visible()
        seen.check(f"odd-texts-{size[0]}")
        assert not opened


def test_the_image_to_share_is_an_svg_without_the_learners_name(browser: Browser, url: str) -> None:
    with visit(browser, url, at=TODAY) as seen:
        seen.sign_in(LEARNER)
        seen.page.wait_for_load_state("networkidle")
        with seen.page.expect_download() as started:
            seen.page.get_by_role("button", name="Download as an image").click()
        assert started.value.suggested_filename == "streak-2026-03-01.svg"
        content = started.value.path().read_text()
        assert content.startswith("<svg")
        assert "days in a row" in content
        assert content.count("<rect") > 365
        assert LEARNER not in content
        # It is drawn by itself too.
        picture = seen.page.context.new_page()
        picture.set_viewport_size({"width": 1200, "height": 630})
        picture.set_content(content)
        picture.screenshot(path=SCREENSHOTS / "share.png")


def test_the_reader_chooses_the_language_and_the_page_remembers(browser: Browser, url: str) -> None:
    with visit(browser, url) as seen:
        seen.page.get_by_label("Language").select_option("de")
        expect(seen.page.get_by_role("button", name="Anmelden")).to_be_visible()
        seen.page.reload()
        expect(seen.page.get_by_role("button", name="Anmelden")).to_be_visible()
        seen.check("sign-in-german")
