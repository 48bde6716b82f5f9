"""The checks of the smoke deployment on the local stack, as far as it has what they look at.

Where it has not, a check must say that it failed: so these tests also show that the checks can fail.
"""

import pytest

from smoke import checks
from smoke.checks import CHECKS, Check, Failed, Smoke
from tests.e2e.conftest import Deployed

HERE: tuple[Check, ...] = (
    checks.content_reaches_the_catalog,
    checks.a_post_is_applied,
    checks.a_bus_event_is_applied,
    checks.a_bus_event_without_a_learner_is_kept,
    checks.functions_start_from_snapshots,
    checks.the_gateway_answers_errors_itself,
    checks.an_alarm_reaches_the_topic,
    checks.the_log_has_lines,
    checks.athena_reads_the_log,
)
"""What the local stack has, in the order in which the checks run."""
FAILING: dict[Check, str] = {
    checks.a_preflight_is_answered: "preflight|another origin",
    checks.pages_can_read_the_gateways_errors: "no CORS headers",
}
"""What the local stack lacks, and what the check says then."""
ONLY_ON_AWS = (
    checks.alarms_can_be_evaluated,  # no alarm here has an expression
    checks.too_many_requests_are_refused,  # nothing is limited here, and so many at once take long
    checks.a_failed_batch_is_kept_and_redriven,
    checks.an_expired_token_is_refused,  # it takes six minutes
)


@pytest.fixture(scope="module")
def smoke(stack: Deployed) -> Smoke:
    return Smoke(stack.stack, "streakline", stack.streakline, pause=0.2)


def test_every_check_is_tried_here_or_known_to_need_aws() -> None:
    assert {*HERE, *FAILING, *ONLY_ON_AWS} == set(CHECKS)
    assert list(HERE) == [check for check in CHECKS if check in HERE]


@pytest.mark.parametrize("check", HERE, ids=lambda check: check.__name__)
def test_a_check_passes_on_the_local_stack(smoke: Smoke, check: Check) -> None:
    assert check(smoke)


@pytest.mark.parametrize(("check", "says"), FAILING.items(), ids=lambda one: getattr(one, "__name__", ""))
def test_a_check_fails_if_the_stack_lacks_what_it_looks_at(smoke: Smoke, check: Check, says: str) -> None:
    with pytest.raises(Failed, match=says):
        check(smoke)


def test_a_consumer_without_rights_has_them_back_afterwards(smoke: Smoke) -> None:
    iam, role = smoke.stack.client("iam"), smoke.physical("ProjectRole")
    before = iam.list_role_policies(RoleName=role)["PolicyNames"]
    with checks.without_tables(smoke):
        assert iam.list_role_policies(RoleName=role)["PolicyNames"] != before
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == before


def test_an_event_source_without_retries_has_them_back_afterwards(smoke: Smoke) -> None:
    functions = smoke.stack.client("lambda")
    alias = f"{smoke.physical('ProjectFunction')}:live"

    def retries() -> int:
        [mapping] = functions.list_event_source_mappings(FunctionName=alias)["EventSourceMappings"]
        return int(mapping["MaximumRetryAttempts"])

    before = retries()
    with checks.without_retries(smoke):
        assert retries() == 0
    assert retries() == before == -1
