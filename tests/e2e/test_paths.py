"""What each spelling of a path answers, through MiniStack's gateway.

MiniStack decodes a path once before it selects the route, but keeps `%25`. AWS decodes some of them
differently: tests/integration/test_paths.py has the events that the functions get there.
"""

import secrets
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.e2e.conftest import Deployed
from tests.e2e.interactions import ensure_test_content, eventually, interaction
from tests.e2e.wire import Answer, call

RUN = secrets.token_hex(4)
ANN = f"ann-{RUN}@example.com"
COLON = f"ann:{RUN}"
PLUS = f"ann+{RUN}@example.com"
PIPE = f"auth0|{RUN}"
UNDERSCORE = f"_{RUN}"
LEARNERS = (ANN, COLON, PLUS, PIPE, UNDERSCORE)
CALLER = "the caller"
"""Stands for the caller's own id."""
NOT_FOUND = "no such learner"
"""The functions' 404."""
PAGE = "the page"
"""The page of learners, at the root."""
NO_ROUTE = "no route"
"""The gateway's 404."""

# What stands where a path has the learner's id, and whose progress the answer is.
IDS: dict[str, str] = {
    ANN: ANN,
    ANN.replace("@", "%40"): ANN,
    ANN.replace("@", "%2540"): NOT_FOUND,
    ANN.replace("@", "%252540"): NOT_FOUND,
    ANN.replace("a", "%61"): ANN,
    ANN.replace("a", "%2561"): NOT_FOUND,
    COLON: COLON,
    COLON.replace(":", "%3A"): COLON,
    COLON.replace(":", "%3a"): COLON,
    COLON.replace(":", "%253A"): NOT_FOUND,
    # A plus sign is never read as a blank, and a blank never as a plus sign.
    PLUS: PLUS,
    PLUS.replace("+", "%2B"): PLUS,
    PLUS.replace("+", "%252B"): NOT_FOUND,
    PLUS.replace("+", "%20"): NOT_FOUND,
    PIPE.replace("|", "%7C"): PIPE,
    PIPE.replace("|", "%257C"): NOT_FOUND,
    UNDERSCORE: UNDERSCORE,
    UNDERSCORE.replace("_", "%5F"): UNDERSCORE,
    f"{ANN}%20": NOT_FOUND,
    # A slash ends the id, however it is spelled.
    f"x/{ANN}": NO_ROUTE,
    f"x%2F{ANN}": NO_ROUTE,
    f"x%2f{ANN}": NO_ROUTE,
    f"{ANN}%2F": NO_ROUTE,
    f"x%252F{ANN}": NOT_FOUND,
    f"{ANN}%252F": NOT_FOUND,
    f"{ANN}%5C": NOT_FOUND,
    # Dots are not resolved.
    "..": NOT_FOUND,
    ".": NOT_FOUND,
    "%2e%2e": NOT_FOUND,
    "%252e%252e": NOT_FOUND,
    f"../progress/{ANN}": NO_ROUTE,
    f"x/../{ANN}": NO_ROUTE,
    f"x%2F..%2F{ANN}": NO_ROUTE,
    f"..%252F{ANN}": NOT_FOUND,
    # A question mark begins the query, unless it is encoded.
    f"{ANN}?": NO_ROUTE,
    f"{ANN}?x=": NO_ROUTE,
    f"{ANN}%3F": NOT_FOUND,
    f"{ANN}%3Fx=": NOT_FOUND,
    f"{ANN}%253F": NOT_FOUND,
    # Other characters that no id has.
    f"{ANN}%23": NOT_FOUND,
    f"USER%23{ANN}": NOT_FOUND,
    f"{ANN};x=1": NOT_FOUND,
    f"{ANN}%00": NOT_FOUND,
    f"{ANN}%0A": NOT_FOUND,
    f"{ANN}%C3%A9": NOT_FOUND,
    f"{ANN}%FF": NOT_FOUND,
    f"{ANN}%": NOT_FOUND,
    f"{ANN}%25": NOT_FOUND,
    f"{ANN}%zz": NOT_FOUND,
    "%7Buser_id%7D": NOT_FOUND,
    "{user_id}": NOT_FOUND,
    "": NO_ROUTE,
    # `me` is the caller.
    "me": CALLER,
    "%6D%65": CALLER,
    "m%2565": NOT_FOUND,
    "me%20": NOT_FOUND,
}

# Whole paths, and whose progress the answer is.
PATHS: dict[str, str] = {
    f"/progress/{ANN}/streak?": ANN,
    f"/progress/{ANN}/streak?x=%2F..%2F&user_id=somebody": ANN,
    f"/progress/{ANN}%2Fstreak": ANN,
    f"//progress/{ANN}/streak": ANN,
    f"/progress/{ANN.upper()}/streak": NOT_FOUND,
    "/progress/ME/streak": NOT_FOUND,
    f"/progress/{ANN}/streak/": NO_ROUTE,
    f"/progress/{ANN}/streak%2F": NO_ROUTE,
    f"/progress/{ANN}//streak": NO_ROUTE,
    f"/progress//{ANN}/streak": NO_ROUTE,
    f"/progress/{ANN}/streak/..": NO_ROUTE,
    f"/progress/{ANN}/streak/../streak": NO_ROUTE,
    f"/progress/{ANN}/./streak": NO_ROUTE,
    f"/progress/{ANN}/Streak": NO_ROUTE,
    f"/PROGRESS/{ANN}/streak": NO_ROUTE,
    f"/progress/{ANN}": NO_ROUTE,
    f"/{ANN}/streak": NO_ROUTE,
    f"/v1/progress/{ANN}/streak": NO_ROUTE,
    f"/learning/progress/{ANN}/streak": NO_ROUTE,
}

# The keys of a custom domain's mappings, as base paths.
BASE_PATHS = ("learning", "learning/v1", "progress")
DOMAIN = "learn.example.com"

# Whole paths under the custom domain. The longest base path is removed, once.
MAPPED: dict[str, str] = {
    f"/learning/progress/{ANN}/streak": ANN,
    f"/learning/v1/progress/{ANN}/streak": ANN,
    f"/progress/progress/{ANN}/streak": ANN,
    f"/learning/progress/{ANN.replace('@', '%40')}/streak": ANN,
    f"/learning/progress/{ANN.replace('@', '%2540')}/streak": NOT_FOUND,
    "/learning/progress/me/streak": CALLER,
    f"/learning/progress/x%2F{ANN}/streak": NO_ROUTE,
    f"/learning/progress/{ANN}/streak/": NO_ROUTE,
    f"/learning/learning/progress/{ANN}/streak": NO_ROUTE,
    f"/progress/{ANN}/streak": NO_ROUTE,
    f"/learning/{ANN}/streak": NO_ROUTE,
    "/learning": PAGE,
    "/learning/": PAGE,
}


@pytest.fixture(scope="module")
def admin(stack: Deployed) -> str:
    """Return the token of an admin, once all learners have an interaction in their views."""
    ensure_test_content(stack.stack)
    token = stack.token("admins")
    for learner in LEARNERS:
        posted = call(stack.api_url, "POST", f"/progress/{quote(learner)}/interaction", token, interaction())
        assert posted.status == 202
    one_each = dict.fromkeys(LEARNERS, 1)
    assert eventually(lambda: totals(stack, token), one_each) == one_each
    return token


def totals(stack: Deployed, admin: str) -> dict[str, int]:
    """Return how many interactions of each learner are in the views."""
    answers = {
        learner: call(stack.api_url, "GET", f"/progress/{quote(learner)}/analytics", admin)
        for learner in LEARNERS
    }
    return {
        learner: int(answer.json["total_interactions"]) if answer.status == 200 else 0
        for learner, answer in answers.items()
    }


@pytest.fixture(scope="module")
def domain(stack: Deployed) -> Iterator[str]:
    """Return the name of a custom domain with each of the base paths."""
    gateway, api = stack.stack.client("apigatewayv2"), stack.api_url.rpartition("/")[2]
    gateway.create_domain_name(DomainName=DOMAIN)
    for key in BASE_PATHS:
        gateway.create_api_mapping(DomainName=DOMAIN, ApiId=api, Stage="$default", ApiMappingKey=key)
    yield DOMAIN
    gateway.delete_domain_name(DomainName=DOMAIN)


def learner_of(answer: Answer, me: str) -> str:
    """Return whose progress a view is, in the words of the tables. Any other answer must be a 404."""
    if answer.status == 200 and answer.headers["content-type"].startswith("text/html"):
        return PAGE
    if answer.status == 200:
        learner = str(answer.json["user_id"])
        return CALLER if learner == me else learner
    assert answer.status == 404, answer
    return NOT_FOUND if answer.is_ours else NO_ROUTE


def own_id(stack: Deployed, token: str) -> str:
    return str(call(stack.api_url, "GET", "/progress/me/streak", token).json["user_id"])


def test_a_path_with_an_id_is_answered_about_that_learner_or_404(stack: Deployed, admin: str) -> None:
    me = own_id(stack, admin)
    paths = {f"/progress/{spelled}/streak": learner for spelled, learner in IDS.items()} | PATHS
    found = {path: learner_of(call(stack.api_url, "GET", path, admin), me) for path in paths}
    assert found == paths
    print(f"{len(paths)} paths")


def test_a_post_to_a_path_with_an_id_counts_for_that_learner_or_is_answered_404(
    stack: Deployed, admin: str
) -> None:
    before = totals(stack, admin)
    for spelled, learner in IDS.items():
        answer = call(stack.api_url, "POST", f"/progress/{spelled}/interaction", admin, interaction())
        if learner in {NOT_FOUND, NO_ROUTE}:
            assert learner_of(answer, "") == learner, spelled
        else:
            assert answer.status == 202, spelled
    accepted = list(IDS.values())
    after = {learner: count + accepted.count(learner) for learner, count in before.items()}
    assert eventually(lambda: totals(stack, admin), after) == after


def test_a_learner_sees_nothing_of_another_whatever_the_spelling(stack: Deployed, admin: str) -> None:
    stranger = stack.token(user="e2e-other")
    me = own_id(stack, stranger)
    for spelled, learner in IDS.items():
        seen = learner_of(call(stack.api_url, "GET", f"/progress/{spelled}/streak", stranger), me)
        assert seen == (NOT_FOUND if learner in LEARNERS else learner), spelled


def test_a_path_under_a_base_path_is_answered_as_at_the_root(
    stack: Deployed, admin: str, domain: str
) -> None:
    me = own_id(stack, admin)
    url = str(stack.stack.endpoint_url)
    found = {path: learner_of(call(url, "GET", path, admin, headers={"Host": domain}), me) for path in MAPPED}
    assert found == MAPPED
    for base in BASE_PATHS:
        answer = call(url, "GET", f"/{base}/certifications", admin, headers={"Host": domain})
        assert (answer.status, "certifications" in answer.json) == (200, True)
