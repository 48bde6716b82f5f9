"""What a page of another origin can read of the API's answers, in headless Chromium.

The API is a second stack that allows the page's origin only. It uses the user pool of the first stack.
MiniStack's gateway differs from AWS's in two ways:

- Its own errors carry no CORS headers, so the page can't read them. On AWS this has not been tried yet.
- It enforces no throttles. The 429 here is of a function whose concurrency is 0, with the gateway's headers.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page

from cli.stack import Stack
from tests.e2e.browser import chromium
from tests.e2e.conftest import Deployed
from tests.e2e.interactions import interaction
from tests.e2e.second_stack import second_stack
from tests.e2e.tokens import access_token, claims_of, learner_of
from tests.e2e.wire import Document, served

USER = "e2e-cors-learner"
FETCH = """async ([url, options]) => {
    let answer;
    try {
        answer = await fetch(url, options);
    } catch (error) {
        return null;
    }
    return [answer.status, Object.fromEntries(answer.headers), await answer.text()];
}"""
PAGE = {"/": Document("text/html", "<!doctype html><title>A page that calls the API</title>")}


class Reading(NamedTuple):
    """What the script of a page can read of an answer."""

    status: int
    headers: dict[str, str]
    body: str


class Site(NamedTuple):
    """An origin that the API allows, one that it does not allow, and a browser for their pages."""

    stack: Stack
    browser: Browser
    origin: str
    foreign_origin: str
    token: str

    @contextmanager
    def page(self, origin: str | None = None) -> Iterator[Page]:
        """Open the page of an origin, by default the allowed one, with empty caches."""
        context = self.browser.new_context()
        try:
            page = context.new_page()
            page.goto(f"{origin or self.origin}/")
            yield page
        finally:
            context.close()

    def fetch(
        self, page: Page, path: str, token: str | None, method: str = "GET", body: Any = None, **headers: str
    ) -> Reading | None:
        """Call the API from the script of a page. Return None if the browser does not let it read the answer.

        Underscores in the names of headers stand for hyphens.
        """
        sent = {
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **({"Content-Type": "application/json"} if body is not None else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        options = {"method": method, "headers": sent, **({"body": body} if body is not None else {})}
        found = page.evaluate(FETCH, [f"{self.stack.api_url}{path}", options])
        return None if found is None else Reading(*found)


@pytest.fixture(scope="module")
def site(stack: Deployed) -> Iterator[Site]:
    token = stack.token(user=USER)
    with (
        chromium() as browser,
        served(PAGE) as origin,
        served(PAGE) as foreign_origin,
        second_stack(
            stack.stack,
            "streakline-cors",
            JwtIssuer=claims_of(token)["iss"],
            JwtAudience=stack.outputs["UserPoolClientId"],
            AllowedOrigins=origin,
        ) as deployed,
    ):
        yield Site(deployed, browser, origin, foreign_origin, token)


def preflights(page: Page) -> list[tuple[int, dict[str, str]]]:
    """Return a list to which the status and headers of each preflight of the page will be added."""
    seen: list[tuple[int, dict[str, str]]] = []

    def note(event: dict[str, Any]) -> None:
        if event["type"] == "Preflight":
            response = event["response"]
            headers = {name.lower(): value for name, value in response["headers"].items()}
            seen.append((response["status"], headers))

    session = page.context.new_cdp_session(page)
    session.on("Network.responseReceived", note)
    session.send("Network.enable")
    return seen


def test_a_preflight_allows_the_methods_and_headers_that_the_api_uses(site: Site) -> None:
    with site.page() as page:
        seen = preflights(page)
        read = site.fetch(page, "/progress/me/streak", site.token, If_None_Match='W/"x"')
        posted = site.fetch(
            page,
            "/progress/me/interaction",
            site.token,
            "POST",
            # Refused, so that no consumer needs to start.
            body=json.dumps({"content_id": "cors-1"}),
            Idempotency_Key="cors-1",
        )
        put = site.fetch(
            page,
            "/xapi/statements?statementId=cors-1",
            site.token,
            "PUT",
            body="{}",
            X_Experience_API_Version="2.0.0",
        )
    assert read
    assert posted
    assert put
    assert (read.status, posted.status, put.status) == (200, 400, 400)
    assert put.headers["x-experience-api-version"] == "2.0.0"
    assert [status for status, _ in seen] == [204, 204, 204]
    for _, headers in seen:
        assert headers["access-control-allow-origin"] == site.origin
        assert headers["access-control-allow-methods"] == "GET,POST,PUT,DELETE"
        assert headers["access-control-max-age"] == "600"


def test_the_page_reads_a_view_and_its_etag_and_304_if_it_sends_the_etag(site: Site) -> None:
    path = "/progress/me/dashboard?today=2026-03-01"
    with site.page() as page:
        first = site.fetch(page, path, site.token)
        assert first
        assert first.status == 200
        assert json.loads(first.body)["user_id"] == learner_of(site.token)
        second = site.fetch(page, path, site.token, If_None_Match=first.headers["etag"])
        assert second
        assert (second.status, second.body) == (304, "")


def test_the_page_reads_why_its_request_is_refused(site: Site, stack: Deployed) -> None:
    view, post = "/progress/me/streak", "/progress/me/interaction"
    someone = "/progress/somebody/interaction"
    body = json.dumps(interaction())
    with site.page() as page:
        answers = [
            (400, "bad_request", site.fetch(page, f"{view}?today=never", site.token)),
            (400, "bad_request", site.fetch(page, post, site.token, "POST", "{")),
            (401, "unauthorized", site.fetch(page, view, access_token(stack.stack, USER))),
            (403, "forbidden", site.fetch(page, someone, stack.token("instructors"), "POST", body)),
            (404, "not_found", site.fetch(page, "/progress/somebody/streak", site.token)),
            (404, "not_found", site.fetch(page, someone, site.token, "POST", body)),
        ]
    for status, code, answer in answers:
        assert answer, f"the page can't read {status} {code}"
        error = json.loads(answer.body)["error"]
        assert (answer.status, error["code"]) == (status, code)
        assert error["message"]
        assert ("faults" in error) == (status == 400 and "JSON" not in error["message"])


def test_the_page_reads_429_if_the_api_has_no_capacity(site: Site) -> None:
    client = site.stack.client("lambda")
    function = read_function(site.stack)
    # MiniStack's versions have a capacity of their own, so the alias calls the function itself meanwhile.
    live = client.get_alias(FunctionName=function, Name="live")["FunctionVersion"]
    client.update_alias(FunctionName=function, Name="live", FunctionVersion="$LATEST")
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    try:
        with site.page() as page:
            answer = site.fetch(page, "/progress/me/streak", site.token)
    finally:
        client.delete_function_concurrency(FunctionName=function)
        client.update_alias(FunctionName=function, Name="live", FunctionVersion=live)
    assert answer
    assert (answer.status, "message" in json.loads(answer.body)) == (429, True)


def read_function(stack: Stack) -> str:
    """Return the name of the function that answers the views."""
    configurations = stack.client("lambda").list_functions()["Functions"]
    [name] = [
        one["FunctionName"]
        for one in configurations
        if "ReadFunction" in one["FunctionName"]
        and one["Environment"]["Variables"]["BLUE_VIEWS_TABLE"] == stack.outputs["BlueViewsTableName"]
    ]
    return str(name)


@contextmanager
def without_views(stack: Stack) -> Iterator[None]:
    """Delete the table of the views, and create an empty one at the end."""
    dynamodb, name = stack.client("dynamodb"), stack.outputs["ViewsTableName"]
    described = dynamodb.describe_table(TableName=name)["Table"]
    dynamodb.delete_table(TableName=name)
    try:
        yield
    finally:
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            **{part: described[part] for part in ("AttributeDefinitions", "KeySchema")},
        )


def test_the_page_reads_503_and_retry_after_if_the_table_cannot_be_read(site: Site) -> None:
    with site.page() as page, without_views(site.stack):
        answer = site.fetch(page, "/progress/me/streak", site.token)
    assert answer
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "2"


def test_a_page_of_another_origin_can_neither_read_nor_post(site: Site) -> None:
    with site.page(site.foreign_origin) as page:
        seen = preflights(page)
        assert site.fetch(page, "/progress/me/streak", site.token) is None
        body = json.dumps(interaction())
        assert site.fetch(page, "/progress/me/interaction", site.token, "POST", body) is None
    assert len(seen) == 2
    assert all("access-control-allow-origin" not in headers for _, headers in seen)


@pytest.mark.parametrize("refused", [{"method": "DELETE"}, {"method": "PATCH"}, {"X_Other": "1"}], ids=str)
def test_the_page_may_use_no_other_methods_and_headers(site: Site, refused: dict[str, str]) -> None:
    with site.page() as page:
        assert site.fetch(page, "/progress/me/streak", site.token, **refused) is None
        allowed = site.fetch(page, "/progress/me/streak", site.token)
        assert allowed
        assert allowed.status == 200


def test_the_page_cannot_read_the_errors_of_ministacks_own_gateway(site: Site) -> None:
    """It can on AWS. If this test fails, MiniStack has learned it: expect 401 and 404 then."""
    with site.page() as page:
        assert site.fetch(page, "/progress/me/streak", None) is None
        assert site.fetch(page, "/progress/me/no-such-view", site.token) is None
