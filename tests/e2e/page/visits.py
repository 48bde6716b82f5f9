"""Visits of the dashboard's page in headless Chromium: sign in, look, check, keep a screenshot."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Response, expect

from cli.demo_log import LAST_DAY
from cli.people import PASSWORD
from tests.e2e.conftest import REPOSITORY

LEARNER, OTHER, TEACHER = "page-ada", "page-grace", "page-teacher"
NEWCOMER, LIVE, ODD = "page-new", "page-live", "page-odd"
"""Users without interactions at first."""
# MiniStack starts a process for each function's first request.
expect.set_options(timeout=20_000)
HARD = (
    ("page-hard-1", "Subnets, part 1", 0.31, 4),
    ("page-hard-2", "Subnets, part 2", 0.12, 8),
    ("page-hard-3", "Subnets, part 3", 0.77, 12),
)
"""Contents whose difficulty is known: id, title, correct rate, learners."""
ODD_TEXTS = (
    "<img src=x onerror=alert(1)><script>alert(2)</script>",
    "Ein Wort" + "lang" * 73,
    "👩‍🚀 🚀 emoji 🧪",
    "مقدمة في الحوسبة السحابية (S3)",
    "\u202eright-to-left override",
    "&lt;b&gt;not bold&lt;/b&gt; ${7*7} {{7*7}}",
)
"""Titles, and their first hundred characters as categories, that could break the page."""
TODAY, TOMORROW = f"today={LAST_DAY}", f"today={LAST_DAY + timedelta(days=1)}"
"""What stands behind `#` in the address, to see progress as of the log's last day, or the day after."""
SCREENSHOTS = REPOSITORY / ".cache" / "page"
"""Where each checked state leaves its screenshot, to be looked at."""
DESKTOP, PHONE = (1440, 900), (320, 640)
EXPECTED_IN_CONSOLE = "Failed to load resource"
"""What Chromium itself writes about an answer such as 404."""


@dataclass
class Visit:
    """An open page, with all that it has loaded and complained about."""

    page: Page
    url: str
    loaded: list[Response] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def sign_in(self, user: str, password: str = PASSWORD) -> None:
        self.page.get_by_label("User name").fill(user)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def panel(self, title: str) -> Any:
        """Return the panel with this title."""
        return self.page.get_by_role("region", name=title, exact=True)

    def calls(self) -> list[str]:
        """Return the paths of the API calls so far, without the page's own files."""
        root = urlsplit(self.url).path
        paths = [urlsplit(one.url).path.removeprefix(root) for one in self.loaded]
        return [path for path in paths if path.startswith(("progress/", "certifications", "achievements"))]

    def check(self, name: str) -> None:
        """Keep a screenshot, and check that the state is accessible, fits its window and has no complaint."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        # What moves is over before it is measured: half-faded colours have no contrast.
        self.page.evaluate(
            "() => Promise.all(document.getAnimations().filter((a) => a.effect.getTiming().iterations === 1)"
            ".map((a) => a.finished))"
        )
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
        found = Axe().run(self.page)
        assert not found.response["violations"], f"{name}: {found.generate_report()}"
        width, window = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= window, f"{name}: the page is {width} pixels wide in a window of {window}"
        assert not self.complaints, f"{name}: {self.complaints}"


@contextmanager
def visit(
    browser: Browser,
    url: str,
    *,
    at: str = "",
    size: tuple[int, int] = DESKTOP,
    prepare: Callable[[Page], Any] = lambda page: None,
    **options: Any,
) -> Iterator[Visit]:
    """Open the page with empty caches. `at` is what stands behind `#`; `prepare` gets the page first."""
    width, height = size
    options = {"locale": "en-GB", "timezone_id": "Europe/Berlin", **options}
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    try:
        page = context.new_page()
        opened = Visit(page, url)
        page.on("response", lambda response: opened.loaded.append(response))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                opened.complaints.append(message.text)
                if message.type in {"error", "warning"} and EXPECTED_IN_CONSOLE not in message.text
                else None
            ),
        )
        prepare(page)
        page.goto(f"{url}#{at}" if at else url)
        yield opened
    finally:
        context.unroute_all(behavior="ignoreErrors")
        context.close()


def written(path: Path, lines: list[str]) -> str:
    path.write_text("\n".join(lines))
    return str(path)
