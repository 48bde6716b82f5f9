"""What the first view costs: bytes, calls, and what Chromium itself measures."""

import json

from playwright.sync_api import Browser, expect

from tests.e2e.page.visits import LEARNER, PHONE, SCREENSHOTS, TODAY, visit

MAX_BYTES = 100_000
OBSERVE = """() => {
    window.shifts = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
}"""
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def test_the_first_view_takes_100_kilobytes_and_one_call_and_does_not_jump(
    browser: Browser, url: str
) -> None:
    with visit(browser, "about:blank", size=PHONE) as seen:
        page = seen.page
        seen.url = url
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        received: list[float] = []
        session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
        # A cold start of the function is no matter of the page.
        page.request.get(url)
        page.goto(f"{url}#{TODAY}")
        page.evaluate(OBSERVE)
        expect(page.get_by_label("User name")).to_be_visible()
        # Chromium writes down a paint a moment after it.
        painted = page.wait_for_function(PAINTED).json_value()
        seen.sign_in(LEARNER)
        expect(seen.panel("Streak")).to_be_visible()
        calls = seen.calls()
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)
        figures = {
            "bytes": sum(received),
            "requests": len(received),
            "calls before data": calls,
            "first contentful paint (ms)": round(painted),
            "layout shift": round(page.evaluate("window.shifts"), 4),
        }
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        (SCREENSHOTS / "figures.json").write_text(json.dumps(figures, indent=2))
        print(figures)
        assert figures["bytes"] < MAX_BYTES
        assert set(calls) <= {"progress/me/dashboard", "progress/me/activity"}
        assert calls[0] == "progress/me/dashboard"
        assert figures["layout shift"] < 0.1


def test_a_second_visit_loads_no_file_again(browser: Browser, url: str) -> None:
    with visit(browser, url) as seen:
        expect(seen.page.get_by_label("User name")).to_be_visible()
        seen.page.wait_for_load_state("networkidle")
        session = seen.page.context.new_cdp_session(seen.page)
        session.send("Network.enable")
        received: list[str] = []
        cached: list[str] = []
        session.on("Network.requestServedFromCache", lambda event: cached.append(event["requestId"]))
        session.on(
            "Network.responseReceived",
            lambda event: (
                received.append(event["response"]["url"])
                if not event["response"]["fromDiskCache"] and event["requestId"] not in cached
                else None
            ),
        )
        seen.page.goto("about:blank")
        seen.page.goto(url)
        expect(seen.page.get_by_label("User name")).to_be_visible()
        assert not [one for one in received if "/assets/" in one]
