"""The checks of a smoke deployment: each does one thing, waits for its effect, and says what it saw.

A check raises Failed if it does not see what it must. It undoes what would hinder the checks after it.
"""

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from cli.quarantine import FAILED_BATCHES, BadLetter, Entries
from cli.stack import Stack
from cli.token import id_token
from functions.log_objects import LOG, read_object

ORIGIN = "https://smoke.example"
"""The origin in the stack's AllowedOrigins."""
CONTENT, CERTIFICATION = "smoke-1", "SMOKE"
FROM_SNAPSHOTS = ("ProjectFunction", "IngestFunction", "ReadFunction")
TOKEN_MINUTES = 5
"""The shortest life of a token that Cognito allows."""


class Failed(Exception):
    """A check has not seen what it must. The message says what it saw."""


@dataclass
class Smoke:
    """A deployed stack under test."""

    stack: Stack
    name: str
    streakline: Callable[..., Any]
    """Run `streakline ARGUMENTS --json` on the stack, and return what it printed."""
    pause: float = 5
    """Seconds between two looks."""
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    """A part of all ids, so that a second run is not answered with what the first one did."""

    @cached_property
    def token(self) -> str:
        """An ID token of a learner of this run."""
        return id_token(self.stack, f"smoke-{self.run}", existing=True)

    @cached_property
    def learner(self) -> str:
        """The learner's id, as the API knows it."""
        status, body, _ = self.call("GET", "/progress/me/analytics", token=self.token)
        if status != 200:
            raise Failed(f"the API answered a good token with {status}: {body}")
        return str(body["user_id"])

    def physical(self, logical_id: str) -> str:
        """Return the name or ARN of a resource of the stack."""
        described = self.stack.client("cloudformation").describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        return str(described["StackResourceDetail"]["PhysicalResourceId"])

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Call the API. Return status, body and headers, whose names are in lower case."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.stack.api_url}{path}", data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text, got = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            status, text, got = error.code, error.read(), error.headers
        return status, json.loads(text) if text else None, {name.lower(): v for name, v in got.items()}

    def until[T](self, what: str, seconds: float, look: Callable[[], T | None]) -> T:
        """Look until there is something, and return it. Raise Failed if there is nothing in time."""
        deadline = time.monotonic() + seconds
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise Failed(f"{what}: not within {seconds:.0f} seconds")
            time.sleep(self.pause)
        return found

    def interaction(self, event_id: str) -> dict[str, Any]:
        """Return an interaction of the run's learner that occurs now."""
        return {
            "event_id": f"{event_id}-{self.run}",
            "user_id": self.learner,
            "content_id": CONTENT,
            "certification_type": CERTIFICATION,
            "interaction_type": "viewed",
            "occurred_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def await_applied(self, interaction: Mapping[str, Any], seconds: float) -> None:
        """Wait until an interaction is applied. Raise Failed if it is refused, or not applied in time."""
        moment = interaction["occurred_at"].replace("+", "%2B")
        path = f"/progress/me/interactions/{interaction['event_id']}?occurred_at={moment}"

        def look() -> bool | None:
            status, body, _ = self.call("GET", path, token=self.token)
            if status == 200 and body["status"] == "quarantined":
                raise Failed(f"the interaction is in quarantine: {body}")
            return True if status == 200 and body["status"] == "applied" else None

        self.until("the interaction is applied", seconds, look)


# -- the checks, in the order in which they run -----------------------------------------------------


def content_reaches_the_catalog(smoke: Smoke) -> str:
    """Check that the content table's stream invokes CatalogFunction."""
    row = {
        "content_id": {"S": CONTENT},
        "certification_type": {"S": CERTIFICATION},
        "title": {"S": "A smoke test"},
    }
    smoke.stack.client("dynamodb").put_item(TableName=smoke.stack.outputs["ContentTableName"], Item=row)

    def look() -> bool | None:
        _, body, _ = smoke.call("GET", "/certifications", token=smoke.token)
        return True if CERTIFICATION in json.dumps(body) else None

    smoke.until("the catalog has the content", 180, look)
    return "a row of the content table is in the catalog"


def a_post_is_applied(smoke: Smoke) -> str:
    """Check that API Gateway calls the alias with a verified token, and the stream the consumer."""
    posted = smoke.interaction("posted")
    status, body, _ = smoke.call("POST", "/progress/me/interaction", token=smoke.token, body=posted)
    if status != 202:
        raise Failed(f"a POST was answered {status}: {body}")
    smoke.await_applied(posted, 180)
    return "a posted interaction is in the views"


def a_bus_event_is_applied(smoke: Smoke) -> str:
    """Check that the rule puts the event's detail into the stream, with the learner as the key."""
    sent = smoke.interaction("bus")
    _put_event(smoke, sent)
    smoke.await_applied(sent, 180)
    return "an event on the bus is in the views"


def a_bus_event_without_a_learner_is_kept(smoke: Smoke) -> str:
    """Check that an event for which the rule has no key is in quarantine, wherever it was left."""
    sent = smoke.interaction("nobody")
    del sent["user_id"]
    _put_event(smoke, sent)

    def look() -> str | None:
        with Entries(smoke.stack) as entries:
            letters = [one for one in entries if not isinstance(one, BadLetter)]
            records = [record for letter in letters for record in letter.records]
        wanted = sent["event_id"].encode()
        return next((record.code for record in records if wanted in record.payload.data), None)

    code = smoke.until("the event is in quarantine", 900, look)
    return f"an event without user_id is in quarantine as {code}"


def _put_event(smoke: Smoke, detail: Mapping[str, Any]) -> None:
    entry = {
        "EventBusName": smoke.stack.outputs["BusName"],
        "Source": "smoke",
        "DetailType": "interaction.recorded",
        "Detail": json.dumps(detail),
    }
    answer = smoke.stack.client("events").put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        raise Failed(f"the bus refused the event: {answer['Entries']}")


def functions_start_from_snapshots(smoke: Smoke) -> str:
    """Check that the alias names a version, and the version has a snapshot."""
    functions = smoke.stack.client("lambda")
    for logical_id in FROM_SNAPSHOTS:
        made = functions.get_function_configuration(FunctionName=smoke.physical(logical_id), Qualifier="live")
        snapshots = made.get("SnapStart", {})
        if made["Version"] == "$LATEST" or snapshots.get("OptimizationStatus") != "On":
            raise Failed(f"{logical_id} is version {made['Version']}, and its snapshots are {snapshots}")
    return f"{', '.join(FROM_SNAPSHOTS)} have versions with snapshots"


def a_preflight_is_answered(smoke: Smoke) -> str:
    """Check that API Gateway answers OPTIONS of an allowed origin, and not of another one."""
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    path = "/progress/me/analytics"
    status, _, headers = smoke.call("OPTIONS", path, headers={"Origin": ORIGIN, **asked})
    if status not in (200, 204) or headers.get("access-control-allow-origin") != ORIGIN:
        raise Failed(f"the preflight of {ORIGIN} was answered {status} with {dict(headers)}")
    _, _, headers = smoke.call("OPTIONS", path, headers={"Origin": "https://other.example", **asked})
    if "access-control-allow-origin" in headers:
        raise Failed(f"another origin is allowed, too: {headers['access-control-allow-origin']}")
    return "preflights are answered for the allowed origin only"


def the_gateway_answers_errors_itself(smoke: Smoke) -> str:
    """Check that the answer without a token, and for an unknown path, is {"message"}."""
    for path, wanted in (("/progress/me/analytics", 401), ("/no/such/path", 404)):
        status, body, _ = smoke.call("GET", path)
        if status != wanted or not isinstance(body, dict) or set(map(str.lower, body)) != {"message"}:
            raise Failed(f"GET {path} without a token was answered {status}: {body}")
    return "401 and 404 of the gateway have the body {message}"


def pages_can_read_the_gateways_errors(smoke: Smoke) -> str:
    """Check that a 401 of the gateway has CORS headers: a page could not read it without."""
    status, _, headers = smoke.call("GET", "/progress/me/analytics", headers={"Origin": ORIGIN})
    if headers.get("access-control-allow-origin") != ORIGIN:
        raise Failed(f"the gateway's {status} has no CORS headers: {dict(headers)}")
    return f"the gateway's {status} has CORS headers"


def too_many_requests_are_refused(smoke: Smoke) -> str:
    """Check that the limit of a route without a token is in force."""
    # A new account may have ten concurrent executions: more callers would get 503 for want of them.
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: smoke.call("GET", "/openapi.json")[0], range(100)))
    refused = statuses.count(429)
    if not refused or set(statuses) - {200, 429}:
        raise Failed(f"100 quick requests were answered {sorted(set(statuses))}, {refused} of them 429")
    return f"{refused} of 100 quick requests were answered 429"


def an_alarm_reaches_the_topic(smoke: Smoke) -> str:
    """Check that CloudWatch may publish to the encrypted topic. A queue listens for a moment."""
    sqs, sns = smoke.stack.client("sqs"), smoke.stack.client("sns")
    alarm, topic = smoke.physical("QuarantineIsNotEmpty"), smoke.physical("AlarmTopic")
    url = sqs.create_queue(QueueName=f"{smoke.name}-alarms-{smoke.run}")["QueueUrl"]
    try:
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        subscription = sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
        )["SubscriptionArn"]
        try:
            watch = smoke.stack.client("cloudwatch")
            for state in ("OK", "ALARM"):
                watch.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="a smoke test")

            def look() -> bool | None:
                messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages", [])
                return True if any(alarm in message["Body"] for message in messages) else None

            smoke.until("the topic passes the alarm on", 300, look)
        finally:
            sns.unsubscribe(SubscriptionArn=subscription)
    finally:
        sqs.delete_queue(QueueUrl=url)
    return f"the topic passed on that {alarm} rings"


def alarms_can_be_evaluated(smoke: Smoke) -> str:
    """Check that CloudWatch can compute every expression of an alarm."""
    pages = smoke.stack.client("cloudwatch").get_paginator("describe_alarms")
    alarms = [
        alarm for page in pages.paginate(AlarmNamePrefix=f"{smoke.name}-") for alarm in page["MetricAlarms"]
    ]
    wrong = [
        f"{alarm['AlarmName']}: {alarm['EvaluationState']}"
        for alarm in alarms
        if alarm.get("EvaluationState") in ("EVALUATION_ERROR", "EVALUATION_FAILURE")
    ]
    if wrong or not alarms:
        raise Failed(f"of {len(alarms)} alarms, these can't be evaluated: {', '.join(wrong) or 'none'}")
    return f"CloudWatch evaluates {len(alarms)} alarms"


def the_log_has_lines(smoke: Smoke) -> str:
    """Check that Firehose calls LogFunction, and writes its lines to the bucket."""
    wanted = f"posted-{smoke.run}"

    def look() -> str | None:
        return next((key for key, line in log_lines(smoke) if line.event_id == wanted), None)

    key = smoke.until("the posted interaction is in the log", 1200, look)
    return f"the posted interaction is a line of {key}"


def log_lines(smoke: Smoke) -> Iterator[tuple[str, Any]]:
    """Yield the key and each line of the objects in the event log. Raise Failed if one can't be read."""
    s3, bucket = smoke.stack.client("s3"), smoke.stack.outputs["EventLogBucket"]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=LOG):
        for entry in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"]
            for line in read_object(body, entry["Key"], entry["LastModified"]):
                if not hasattr(line, "event_id"):
                    raise Failed(f"the log has a line that can't be read: {line}")
                yield entry["Key"], line


def athena_reads_the_log(smoke: Smoke) -> str:
    """Check that Athena finds the table, its days, and the line."""
    rows = smoke.streakline("query", "--sql", "SELECT user_id, event_id FROM events")
    wanted = {"user_id": smoke.learner, "event_id": f"posted-{smoke.run}"}
    if wanted not in rows:
        raise Failed(f"Athena answered {rows}, without {wanted}")
    return "Athena answers with the posted interaction"


def a_failed_batch_is_kept_and_redriven(smoke: Smoke) -> str:
    """Check that Lambda writes a batch that it gives up to the bucket, and a redrive puts it back.

    For this, the consumer may not use the tables for some minutes, and is given no second try.
    """
    sent = smoke.interaction("failed")
    with without_retries(smoke), without_tables(smoke):
        time.sleep(6 * smoke.pause)  # until IAM's change is in force everywhere
        smoke.stack.client("kinesis").put_record(
            StreamName=smoke.stack.outputs["StreamName"],
            Data=json.dumps(sent).encode(),
            PartitionKey=smoke.learner,
        )
        s3, bucket = smoke.stack.client("s3"), smoke.stack.outputs["EventLogBucket"]

        def look() -> str | None:
            found = s3.list_objects_v2(Bucket=bucket, Prefix=FAILED_BATCHES).get("Contents", [])
            return found[0]["Key"] if found else None

        key = smoke.until("the batch is in the bucket", 900, look)
    time.sleep(12 * smoke.pause)
    smoke.streakline("redrive")
    smoke.await_applied(sent, 300)
    return f"the batch was in {key}, and was redriven"


@contextmanager
def without_retries(smoke: Smoke) -> Iterator[None]:
    """Make the consumer's event source give a batch up at its first failure while the context is open."""
    functions = smoke.stack.client("lambda")
    alias = f"{smoke.physical('ProjectFunction')}:live"
    [mapping] = functions.list_event_source_mappings(FunctionName=alias)["EventSourceMappings"]

    def change(**settings: Any) -> None:
        functions.update_event_source_mapping(UUID=mapping["UUID"], **settings)

        def look() -> bool | None:
            state = functions.get_event_source_mapping(UUID=mapping["UUID"])["State"]
            return True if state == "Enabled" else None

        smoke.until("the event source has changed", 300, look)

    change(MaximumRetryAttempts=0, BisectBatchOnFunctionError=False)
    try:
        yield
    finally:
        change(MaximumRetryAttempts=-1, BisectBatchOnFunctionError=True)


@contextmanager
def without_tables(smoke: Smoke) -> Iterator[None]:
    """Take the consumer's rights on all tables away while the context is open."""
    iam, role = smoke.stack.client("iam"), smoke.physical("ProjectRole")
    denial = {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    iam.put_role_policy(RoleName=role, PolicyName="smoke", PolicyDocument=policy)
    try:
        yield
    finally:
        # CloudFormation can't delete a role with a policy that it does not know.
        iam.delete_role_policy(RoleName=role, PolicyName="smoke")


def an_expired_token_is_refused(smoke: Smoke) -> str:
    """Check that the authorizer looks at a token's lifetime, which is five minutes here."""
    cognito = smoke.stack.client("cognito-idp")
    key = {
        "UserPoolId": smoke.stack.outputs["UserPoolId"],
        "ClientId": smoke.stack.outputs["UserPoolClientId"],
    }
    described = cognito.describe_user_pool_client(**key)["UserPoolClient"]
    known = cognito.meta.service_model.operation_model("UpdateUserPoolClient").input_shape.members
    settings = {name: value for name, value in described.items() if name in known}
    shorter = {
        "IdTokenValidity": TOKEN_MINUTES,
        "AccessTokenValidity": TOKEN_MINUTES,
        "TokenValidityUnits": {"IdToken": "minutes", "AccessToken": "minutes", "RefreshToken": "days"},
    }
    cognito.update_user_pool_client(**{**settings, **shorter})
    token = id_token(smoke.stack, f"smoke-{smoke.run}", existing=True)
    status, body, _ = smoke.call("GET", "/progress/me/analytics", token=token)
    if status != 200:
        raise Failed(f"a new token was answered {status}: {body}")

    def look() -> bool | None:
        return True if smoke.call("GET", "/progress/me/analytics", token=token)[0] == 401 else None

    smoke.until("an expired token is answered 401", TOKEN_MINUTES * 60 + 120, look)
    return "a token is refused after its five minutes"


type Check = Callable[[Smoke], str]

CHECKS: tuple[Check, ...] = (
    content_reaches_the_catalog,
    a_post_is_applied,
    a_bus_event_is_applied,
    a_bus_event_without_a_learner_is_kept,
    functions_start_from_snapshots,
    a_preflight_is_answered,
    the_gateway_answers_errors_itself,
    pages_can_read_the_gateways_errors,
    too_many_requests_are_refused,
    an_alarm_reaches_the_topic,
    alarms_can_be_evaluated,
    the_log_has_lines,
    athena_reads_the_log,
    a_failed_batch_is_kept_and_redriven,
    an_expired_token_is_refused,
)


def run_all(smoke: Smoke, checks: tuple[Check, ...] = CHECKS) -> int:
    """Run the checks one after the other, print what each saw, and return how many failed."""
    failed = 0
    for check in checks:
        name, begun = check.__name__.replace("_", " "), time.monotonic()
        try:
            line = f"ok    {name}: {check(smoke)}"
        except (Failed, ClientError, OSError, KeyError, ValueError) as error:
            failed += 1
            line = f"FAIL  {name}: {type(error).__name__}: {error}"
        print(f"{line} ({time.monotonic() - begun:.0f} s)", flush=True)
    return failed
