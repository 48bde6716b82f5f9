"""A stack that is updated: what a changed parameter does to the version that is live."""

from collections.abc import Mapping
from typing import Any

import pytest

from cli.stack import Stack
from tests.e2e.conftest import Deployed
from tests.e2e.second_stack import second_stack, update

CHANGES = {
    "StreakFreezes": ("3", "ProjectFunction", "STREAK_FREEZES"),
    "ApiMaxEventAgeDays": ("7", "IngestFunction", "API_MAX_EVENT_AGE_DAYS"),
    "LearnerClaim": ("oid", "ReadFunction", "LEARNER_CLAIM"),
    "LogLevel": ("DEBUG", "RarityFunction", "POWERTOOLS_LOG_LEVEL"),
    "SignIn": ("hosted", "PageFunction", "SIGN_IN"),
}
"""New values of parameters, with a function and the variable in which it finds them."""


def live(stack: Stack, name: str) -> dict[str, Mapping[str, Any]]:
    """Return the configuration of each function's live version, by the function's logical id."""
    client, found = stack.client("lambda"), {}
    for one in client.list_functions()["Functions"]:
        function = str(one["FunctionName"])
        if function.startswith(f"{name}-"):
            logical_id = function.removeprefix(f"{name}-").partition("-")[0]
            found[logical_id] = client.get_function_configuration(FunctionName=function, Qualifier="live")
    return found


def versions(configurations: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    return {name: int(one["Version"]) for name, one in configurations.items()}


def test_a_changed_parameter_is_live_after_the_update_and_its_old_value_after_the_way_back(
    stack: Deployed,
) -> None:
    name = "versions"
    with second_stack(stack.stack, name) as second:
        first = live(second, name)
        assert set(versions(first).values()) == {1}
        assert update(second, name, **{key: value for key, (value, *_) in CHANGES.items()}) == (
            "UPDATE_COMPLETE"
        )
        changed = live(second, name)
        for value, function, variable in CHANGES.values():
            assert first[function]["Environment"]["Variables"][variable] != value
            assert changed[function]["Environment"]["Variables"][variable] == value
        assert set(versions(changed).values()) == {2}
        before = {
            key: first[function]["Environment"]["Variables"][variable]
            for key, (_, function, variable) in CHANGES.items()
        }
        assert update(second, name, **{**before, "SignIn": "form"}) == "UPDATE_COMPLETE"
        returned = live(second, name)
        assert set(versions(returned).values()) == {3}
        for _, function, variable in CHANGES.values():
            now = returned[function]["Environment"]["Variables"][variable]
            assert now == first[function]["Environment"]["Variables"][variable]


@pytest.mark.parametrize("parameter", [{"BatchWindowSeconds": "2"}, {"ReadRateLimit": "400"}])
def test_a_parameter_that_reaches_no_function_leaves_the_versions_alone(
    stack: Deployed, parameter: dict[str, str]
) -> None:
    name = "unversioned"
    with second_stack(stack.stack, name) as second:
        assert update(second, name, **parameter) == "UPDATE_COMPLETE"
        assert set(versions(live(second, name)).values()) == {1}
