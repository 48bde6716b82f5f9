"""The function that serves the dashboard's page, and the page's files."""

import gzip
import json
import re
import subprocess
import sys
from base64 import b64decode
from typing import Any

import pytest

from functions import page
from tests.integration.template import template

FILES = sorted(path for path in page.FILES.rglob("*") if path.is_file())
LANGUAGES = sorted((page.FILES / "languages").glob("*.json"))
DOMAIN = "https://streakline-0.auth.eu-west-1.amazoncognito.com"
HOSTED = {
    "SIGN_IN": "hosted",
    "CLIENT_ID": "client-1",
    "AUTHORIZE_URL": f"{DOMAIN}/oauth2/authorize",
    "TOKEN_URL": f"{DOMAIN}/oauth2/token",
    "SIGN_OUT_URL": f"{DOMAIN}/logout",
    "FORM_URL": "",
    "LEARNER_CLAIM": "sub",
    "GROUPS_CLAIM": "cognito:groups",
}


@pytest.fixture(autouse=True)
def hosted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTED.items():
        monkeypatch.setenv(name, value)


def asked(route: str, path: str = "/", file: tuple[str, str] | None = None, **headers: str) -> dict[str, Any]:
    """Return the answer to a request. `file` is version and path of a file."""
    event = {
        "routeKey": route,
        "rawPath": path,
        "headers": headers,
        "pathParameters": dict(zip(("version", "file"), file, strict=True)) if file else None,
        "requestContext": {"requestId": "request-1"},
    }
    return page.handler(event, None)


def asked_for(file: str, version: str = "latest", **headers: str) -> dict[str, Any]:
    return asked("GET /assets/{version}/{file+}", file=(version, file), **headers)


def test_the_function_needs_nothing_but_the_standard_library() -> None:
    script = (
        "import sys, functions.page; "
        "print(sorted({m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names) - set(sys.argv)))"
    )
    found = subprocess.run(
        [sys.executable, "-S", "-c", script],
        cwd=page.FILES.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "['__main__', 'functions']"


def test_the_page_names_its_files_by_their_version_and_only_files_that_there_are() -> None:
    body = asked("GET /")["body"]
    assert page.VERSION_MARK not in body
    names = re.findall(rf'(?:src|href)="assets/{page.version()}/([^"]+)"', body)
    assert "app.js" in names
    assert len(names) == body.count("src=") + body.count("href=")
    for name in names:
        assert asked_for(name)["statusCode"] == 200, name


def test_browsers_may_keep_a_file_for_ever_under_its_version_and_shortly_under_another() -> None:
    assert asked_for("app.js", page.version())["headers"]["Cache-Control"] == page.FOR_EVER
    assert asked_for("app.js")["headers"]["Cache-Control"] == page.SHORT
    assert asked("GET /")["headers"]["Cache-Control"] == "no-cache"


def test_what_is_no_file_of_the_page_is_not_found() -> None:
    for name in ("nope.js", "../functions/page.py", "/etc/passwd", "index.html", "vendor", ""):
        answer = asked_for(name)
        assert answer["statusCode"] == 404, name
        assert json.loads(answer["body"])["error"] == {
            "code": "not_found",
            "message": "The page has no such file.",
            "request_id": "request-1",
        }


def test_a_file_is_compressed_only_for_who_accepts_it_and_answered_304_to_who_has_it() -> None:
    plain, packed = asked_for("app.js"), asked_for("app.js", **{"accept-encoding": "br, gzip"})
    assert gzip.decompress(b64decode(packed["body"])).decode() == plain["body"]
    assert packed["headers"]["Content-Encoding"] == "gzip"
    tag = plain["headers"]["ETag"]
    assert asked_for("app.js", **{"if-none-match": f'"x", {tag}'})["statusCode"] == 304


def test_below_a_base_path_the_page_asks_for_the_slash_that_its_addresses_need() -> None:
    answer = asked("GET /", path="/learn/progress")
    assert (answer["statusCode"], answer["headers"]["Location"]) == (308, "progress/")
    assert asked("GET /", path="/learn/progress/")["statusCode"] == 200


def test_the_policy_allows_nothing_inline_and_tokens_from_the_issuer_only() -> None:
    policy = asked("GET /")["headers"]["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert f"connect-src 'self' {DOMAIN};" in policy
    body = (page.FILES / "index.html").read_text()
    assert not re.search(r"<style|style=|<script(?![^>]*\ssrc=)|\son\w+=", body)


def test_the_configuration_says_how_to_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def sign_in() -> Any:
        return json.loads(asked("GET /config.json")["body"])["sign_in"]

    assert sign_in() == {
        "kind": "hosted",
        "client_id": "client-1",
        "authorize_url": f"{DOMAIN}/oauth2/authorize",
        "token_url": f"{DOMAIN}/oauth2/token",
        "sign_out_url": f"{DOMAIN}/logout",
    }
    monkeypatch.setenv("SIGN_IN", "form")
    monkeypatch.setenv("FORM_URL", "/")
    assert sign_in() == {"kind": "form", "client_id": "client-1", "form_url": "/"}
    monkeypatch.setenv("SIGN_IN", "none")
    assert sign_in() == {"kind": "none"}


def test_the_template_gives_the_function_all_that_it_reads() -> None:
    environment = template()["Resources"]["PageFunction"]["Properties"]["Environment"]["Variables"]
    assert set(environment) == set(HOSTED)


def test_only_the_local_stack_has_a_form_for_passwords() -> None:
    assert template()["Parameters"]["SignIn"]["Default"] == "hosted"
    flows = template()["Resources"]["UserPoolClient"]["Properties"]["ExplicitAuthFlows"]
    assert flows[-1] == ["SignInForm", "ALLOW_USER_PASSWORD_AUTH", "AWS::NoValue"]
    assert "ALLOW_USER_PASSWORD_AUTH" not in flows


def test_cloudfront_is_made_only_if_it_is_asked_for() -> None:
    assert template()["Parameters"]["Cdn"]["Default"] == "off"
    made = {
        name: resource["Condition"]
        for name, resource in template()["Resources"].items()
        if resource.get("Condition") in {"WithCdn", "WithWaf"}
    }
    assert made == {
        "Distribution": "WithCdn",
        "AssetsCache": "WithCdn",
        "CdnLogs": "WithCdn",
        "CdnLogsPolicy": "WithCdn",
        "WebAcl": "WithWaf",
    }
    [assets] = template()["Resources"]["Distribution"]["Properties"]["DistributionConfig"]["CacheBehaviors"]
    assert assets["PathPattern"] == "assets/*"


# -- the page's files ------------------------------------------------------------------------------


def test_the_page_names_no_other_host() -> None:
    for path in FILES:
        if path.suffix in page.TYPES:
            hosts = set(re.findall(r"https?://([^/\"'`\s)]+)", path.read_text()))
            assert hosts <= {"www.w3.org"}, path


def test_the_page_makes_no_markup_of_texts_and_no_code() -> None:
    for path in FILES:
        if path.suffix == ".js" and path.parent.name != "vendor":
            found = re.search(
                r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function", path.read_text()
            )
            assert not found, path


def test_every_language_has_the_same_texts_with_the_same_names_in_them() -> None:
    def marks(text: Any) -> set[str]:
        forms = text.values() if isinstance(text, dict) else [text]
        return set(re.findall(r"\{(\w+)\}", " ".join(forms)))

    first, *others = (json.loads(path.read_text()) for path in LANGUAGES)
    assert others
    for other in others:
        assert other.keys() == first.keys()
        for key, text in other.items():
            assert isinstance(text, dict) == isinstance(first[key], dict), key
            if not key.startswith("reason."):
                assert marks(text) == marks(first[key]), key


def test_every_text_is_used() -> None:
    code = "\n".join(path.read_text() for path in page.FILES.glob("*.js"))
    # Some keys are put together, for example `failure.${kind}.title`.
    found = re.findall(r"(?=`((?:[a-z_.]+|\$\{\w+\}[._])[^`]*)`)", code)
    made = [re.escape(text) for text in found if "${" in text and " " not in re.sub(r"\$\{.*?\}", "", text)]
    patterns = [re.compile(re.sub(r"\\\$\\\{.*?\\\}", r"[a-z0-9_.-]+", one)) for one in made]
    for text in set(json.loads(LANGUAGES[0].read_text())) - {"direction"}:
        literal = re.search(rf"[\"'`]{re.escape(text)}[\"'`]", code)
        assert literal or any(one.fullmatch(text) for one in patterns), text


def test_the_vendored_libraries_are_those_of_the_script_with_their_licences() -> None:
    script = (page.FILES.parent / "scripts" / "vendor.sh").read_text()
    pinned = re.findall(r"^[A-Z]+=(\w+-[\d.]+)$", script, re.MULTILINE)
    listed = (page.FILES / "vendor" / "VERSIONS").read_text()
    assert [line.partition(" ")[0] for line in listed.splitlines()] == pinned
    for name in pinned:
        assert (page.FILES / "vendor" / f"LICENSE.{name.partition('-')[0]}").exists()
