"""Signing in at the issuer's own page, with an authorization code and PKCE, as on AWS.

The stack is a second one, with the parameters of AWS and CloudFront. Its page is at the addresses of API
and distribution on AWS, and its user pool at the domain of the pool: requests to them are passed on to
MiniStack, whose user pool has the same endpoints. What CloudFront itself does with a request is not tested.
"""

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from cli.people import PASSWORD, Person, ensure_people
from cli.stack import Stack
from tests.e2e.conftest import Deployed
from tests.e2e.page.visits import LEARNER, Visit, visit
from tests.e2e.second_stack import second_stack


class Hosted(NamedTuple):
    """A stack whose page sends people to the issuer."""

    stack: Stack
    issuer: str

    def pass_on(self, page: Page) -> None:
        """Pass requests for the hosts on AWS on to MiniStack."""

        def answer(route: Route) -> None:
            host = f"https://{urlsplit(route.request.url).netloc}"
            there = self.stack.endpoint_url if host == self.issuer else self.stack.api_url
            sent = {name: value for name, value in route.request.headers.items() if name != "host"}
            route.fulfill(
                response=route.fetch(
                    url=route.request.url.replace(host, str(there)), headers=sent, max_redirects=0
                )
            )

        for url in (*self.addresses.values(), f"{self.issuer}/"):
            page.context.route(f"{url}**", answer)

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses of the page."""
        outputs = self.stack.outputs
        return {"the API": f"{outputs['ApiUrl']}/", "CloudFront": outputs["CdnUrl"]}


@pytest.fixture(scope="module")
def hosted(stack: Deployed) -> Iterator[Hosted]:
    with second_stack(
        stack.stack, "streakline-hosted", SignIn="hosted", LearnerClaim="sub", Cdn="with-waf"
    ) as deployed:
        ensure_people(deployed, [Person(LEARNER, "")])
        pool = deployed.client("cognito-idp").describe_user_pool(UserPoolId=deployed.outputs["UserPoolId"])
        yield Hosted(deployed, f"https://{pool['UserPool']['Domain']}.auth.us-east-1.amazoncognito.com")


def sign_in_at_the_issuer(seen: Visit, issuer: str) -> dict[str, list[str]]:
    """Sign in on the issuer's page. Return what the page asked the issuer for."""
    seen.page.get_by_role("button", name="Sign in").click()
    seen.page.wait_for_url(f"{issuer}/**")
    asked = parse_qs(urlsplit(seen.page.url).query)
    seen.page.locator("input[name=username]").fill(LEARNER)
    seen.page.locator("input[name=password]").fill(PASSWORD)
    seen.page.locator("[type=submit]").first.click()
    return asked


@pytest.mark.parametrize("place", ["the API", "CloudFront"])
def test_one_signs_in_at_the_issuer_and_comes_back_to_where_one_was(
    browser: Browser, hosted: Hosted, place: str
) -> None:
    url = hosted.addresses[place]
    with visit(browser, url, prepare=hosted.pass_on, at="today=2026-03-01") as seen:
        page = seen.page
        expect(page.get_by_role("heading", name="Sign in to see your progress")).to_be_visible()
        seen.check("sign-in-hosted")
        asked = sign_in_at_the_issuer(seen, hosted.issuer)
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["redirect_uri"] == [url]
        expect(
            page.get_by_role("heading", name="Your progress begins with the first exercise")
        ).to_be_visible()
        assert page.url == f"{url}#today=2026-03-01", "no code is left in the address"
        assert page.evaluate("sessionStorage.length") == 0
        page.go_back()
        assert "code=" not in page.url


def test_a_code_that_this_page_has_not_asked_for_is_refused(browser: Browser, hosted: Hosted) -> None:
    url = hosted.addresses["the API"]
    with visit(browser, f"{url}?code=stolen&state=other", prepare=hosted.pass_on) as seen:
        expect(seen.page.get_by_role("alert")).to_have_text(
            "The sign-in was not completed. Please try again."
        )
        assert seen.page.url == url
        seen.check("sign-in-not-completed")


def test_signing_out_signs_out_at_the_issuer_too(browser: Browser, hosted: Hosted) -> None:
    url = hosted.addresses["the API"]
    with visit(browser, url, prepare=hosted.pass_on) as seen:
        sign_in_at_the_issuer(seen, hosted.issuer)
        expect(seen.page.get_by_role("heading", name="Your progress begins")).to_be_visible()
        with seen.page.expect_request(f"{hosted.issuer}/logout**") as left:
            seen.page.get_by_role("button", name="Sign out").click()
        assert parse_qs(urlsplit(left.value.url).query)["logout_uri"] == [url]


def test_the_page_may_talk_to_nobody_but_its_api_and_the_issuer(browser: Browser, hosted: Hosted) -> None:
    with visit(browser, hosted.addresses["the API"], prepare=hosted.pass_on) as seen:
        refused = seen.page.evaluate(
            "() => fetch('https://elsewhere.example/').then(() => 'answered', (error) => String(error))"
        )
        assert "Failed to fetch" in refused
        assert any("Content Security Policy" in complaint for complaint in seen.complaints)
        seen.complaints.clear()


def test_the_distribution_keeps_the_pages_files_and_has_the_web_acl(hosted: Hosted) -> None:
    client = hosted.stack.client("cloudfront")
    [found] = [
        one
        for one in client.list_distributions()["DistributionList"]["Items"]
        if one["DomainName"] in hosted.stack.outputs["CdnUrl"]
    ]
    assert "/webacl/" in found["WebACLId"]
    assert [one["PathPattern"] for one in found["CacheBehaviors"]["Items"]] == ["assets/*"]
