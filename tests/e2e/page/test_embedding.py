"""The custom elements on a page of another origin: the example of the documentation, as it is."""

from playwright.sync_api import Browser, expect

from cli.people import PASSWORD
from tests.e2e.conftest import REPOSITORY, Deployed
from tests.e2e.page.visits import LEARNER, visit
from tests.e2e.wire import Document, served

EXAMPLE = REPOSITORY / "docs" / "embedding.html"


def token_of(stack: Deployed) -> str:
    """Return a token of the learner, whose password stays as it is."""
    answer = stack.stack.client("cognito-idp").admin_initiate_auth(
        UserPoolId=stack.outputs["UserPoolId"],
        ClientId=stack.outputs["UserPoolClientId"],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": LEARNER, "PASSWORD": PASSWORD},
    )
    return str(answer["AuthenticationResult"]["IdToken"])


def test_the_example_embeds_two_panels_that_share_one_call(
    browser: Browser, url: str, stack: Deployed
) -> None:
    example = EXAMPLE.read_text().replace("https://api.example/", url)
    assert "api.example" not in example
    documents = {"/": Document("text/html", example), "/token": Document("text/plain", token_of(stack))}
    with served(documents) as origin, visit(browser, origin) as seen:
        seen.url = url
        streak, readiness = seen.panel("Streak"), seen.panel("How ready you are")
        expect(streak).to_contain_text("Longest: 46 days")
        expect(readiness).to_contain_text("On new questions we expect")
        seen.page.wait_for_load_state("networkidle")
        assert seen.calls() == ["progress/me/dashboard", "progress/me/activity"]
        seen.complaints = [one for one in seen.complaints if "favicon" not in one]
        seen.check("embedding")
        # An element that goes away and comes back shows the same again, from fresh data.
        seen.page.evaluate(
            "() => { const e = document.querySelector('streakline-streak'); const p = e.parentNode;"
            " e.remove(); p.append(e); }"
        )
        expect(streak).to_contain_text("Longest: 46 days")


def test_an_element_whose_token_is_refused_says_so(browser: Browser, url: str, stack: Deployed) -> None:
    # MiniStack's gateway answers a bad token without CORS headers, so a foreign page can't read the 401.
    example = EXAMPLE.read_text().replace("https://api.example/", url)
    documents = {"/": Document("text/html", example), "/token": Document("text/plain", "a.b.c")}
    with served(documents) as origin, visit(browser, origin) as seen:
        expect(seen.page.get_by_role("alert").first).to_contain_text("can't be reached")
        expect(seen.page.get_by_role("button", name="Try again").first).to_be_visible()
