"""Each thing that the gates are there for: taken out of the template, a gate must find it missing."""

import copy
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gates.checks import (
    CONTROL_TOWER,
    DEPLOYMENTS,
    RULES,
    audit,
    files_of_rules,
    guard,
    lint,
    rules_in,
    transformed,
)
from gates.findings import Finding
from gates.literals import literals
from gates.resolve import Resolver
from tests.e2e.data_mutants import DATA_MUTANTS, LITERAL_MUTANTS
from tests.e2e.mutants import (
    OWN,
    TRUST,
    Mutant,
    adding,
    allowing,
    attribute,
    removing,
    setting,
    without,
    without_rule,
)
from tests.e2e.policy_mutants import POLICY_MUTANTS

GATES = {"cfn-guard": guard, "cfn-lint": lint, "parliament": audit, "literals": literals}

MUTANTS = [
    Mutant(
        "point-in-time recovery",
        without("ViewsTable", "PointInTimeRecoverySpecification"),
        OWN,
        "dynamodb_table_pitr_enabled_check",
        "ViewsTable",
    ),
    Mutant(
        "point-in-time recovery, switched off",
        setting(False, "ControlTable", "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"),
        OWN,
        "dynamodb_table_pitr_enabled_check",
        "ControlTable",
    ),
    Mutant(
        "the rule's dead-letter queue",
        without("BusToStream", "Targets", 0, "DeadLetterConfig"),
        OWN,
        "events_that_fail_go_to_dead_letters",
        "BusToStream",
    ),
    Mutant(
        "the authorizer of a route",
        setting("NONE", "AnalyticsRoute", "AuthorizationType"),
        OWN,
        "api_gw_v2_authorization_type_configured_check",
        "AnalyticsRoute",
    ),
    Mutant(
        "the authorizer's name in a route",
        without("StatementsRoute", "AuthorizerId"),
        OWN,
        "routes_with_a_token_have_the_authorizer",
        "StatementsRoute",
    ),
    Mutant(
        "the audience of tokens",
        setting([], "Learners", "JwtConfiguration", "Audience"),
        OWN,
        "routes_with_a_token_have_the_authorizer",
        "Learners",
    ),
    Mutant("the authorizer", removing("Learners"), "cfn-lint", "E1020", "AnalyticsRoute"),
    Mutant(
        "encryption of a table",
        without("ViewsTable", "SSESpecification"),
        OWN,
        "dynamodb_table_encrypted_kms_check",
        "ViewsTable",
    ),
    Mutant(
        "encryption of the stream",
        without("Stream", "StreamEncryption"),
        OWN,
        "kinesis_stream_encrypted_check",
        "Stream",
    ),
    Mutant(
        "encryption of a queue",
        without("Quarantine", "SqsManagedSseEnabled"),
        OWN,
        "sqs_queue_encrypted_check",
        "Quarantine",
    ),
    Mutant(
        "encryption of the bucket",
        without("EventLogBucket", "BucketEncryption"),
        OWN,
        "each_bucket_is_encrypted_and_has_a_policy",
        "EventLogBucket",
    ),
    Mutant(
        "TLS only",
        without("EventLogBucketPolicy", "PolicyDocument", "Statement", 0, "Condition"),
        OWN,
        "s3_bucket_policy_ssl_requests_only_check",
        "EventLogBucketPolicy",
    ),
    Mutant(
        "a bucket's policy",
        removing("CdnLogsPolicy"),
        OWN,
        "each_bucket_is_encrypted_and_has_a_policy",
        "EventLogBucket",
    ),
    Mutant(
        "the public access block",
        without("EventLogBucket", "PublicAccessBlockConfiguration"),
        OWN,
        "s3_bucket_level_public_access_prohibited_check",
        "EventLogBucket",
    ),
    Mutant(
        "the end of incomplete uploads",
        without_rule("EventLogBucket", "incomplete-uploads"),
        OWN,
        "incomplete_uploads_are_aborted",
        "EventLogBucket",
    ),
    Mutant(
        "retention of logs",
        without("Logs", "RetentionInDays"),
        OWN,
        "logs_are_deleted_in_time",
        "Logs",
    ),
    Mutant(
        "the destination of failed batches",
        without("ProjectFunctionStream", "DestinationConfig"),
        OWN,
        "failed_batches_go_to_a_destination",
        "ProjectFunctionStream",
    ),
    Mutant(
        "the stream's retention",
        setting(24, "Stream", "RetentionPeriodHours"),
        OWN,
        "streams_keep_records_for_a_week",
        "Stream",
    ),
    Mutant(
        "the stream's retention after deletion",
        attribute("Stream", "DeletionPolicy"),
        OWN,
        "what_holds_data_is_retained",
        "Stream",
    ),
    Mutant(
        "a queue's retention in a replacement",
        attribute("Quarantine", "UpdateReplacePolicy"),
        OWN,
        "what_holds_data_is_retained",
        "Quarantine",
    ),
    Mutant(
        "protection of a table from deletion",
        without("ViewsTable", "DeletionProtectionEnabled"),
        OWN,
        "tables_are_protected_from_deletion",
        "ViewsTable",
    ),
    Mutant(
        "sign-up by administrators only",
        without("UserPool", "AdminCreateUserConfig"),
        OWN,
        "user_pools_are_protected_and_closed",
        "UserPool",
    ),
    Mutant(
        "the list of what users may write",
        setting(["name", "custom:role"], "UserPoolClient", "WriteAttributes"),
        OWN,
        "users_write_no_claim_that_grants_rights",
        "UserPoolClient",
    ),
    Mutant(
        "the source account of a trust policy",
        without("ProjectRole", *TRUST, "Condition"),
        OWN,
        "roles_trust_services_for_this_account_only",
        "ProjectRole",
    ),
    Mutant(
        "names of actions",
        allowing("ReadRole", "dynamodb:Query", Action=["dynamodb:Get*"]),
        OWN,
        "roles_name_each_action",
        "ReadRole",
    ),
    Mutant(
        "full access",
        allowing("ReadRole", "dynamodb:Query", Action="dynamodb:*", Resource="*"),
        OWN,
        "iam_inline_policy_no_statements_with_full_access_check",
        "ReadRole",
    ),
    Mutant(
        "the resource of a statement",
        allowing("ReadRole", "dynamodb:Query", Resource="*"),
        "parliament",
        "RESOURCE_STAR",
        "ReadRole",
    ),
    Mutant(
        "an action that does not exist",
        allowing("ReadRole", "dynamodb:Query", Action=["dynamodb:ReadItem"]),
        "parliament",
        "UNKNOWN_ACTION",
        "ReadRole",
    ),
    Mutant(
        "an action on objects that names the bucket",
        allowing("EventLogRole", "s3:PutObject", Resource={"Fn::GetAtt": ["EventLogBucket", "Arn"]}),
        "parliament",
        "RESOURCE_MISMATCH",
        "EventLogRole",
    ),
    Mutant(
        "the caller of a function",
        without("ReadPermission", "SourceArn"),
        OWN,
        "lambda_function_public_access_prohibited_check",
        "ReadPermission",
    ),
    Mutant(
        "the access log",
        without("HttpApiStage", "AccessLogSettings"),
        OWN,
        "api_gw_v2_access_logs_enabled_check",
        "HttpApiStage",
    ),
    Mutant(
        "limits of requests",
        without("HttpApiStage", "DefaultRouteSettings"),
        OWN,
        "stages_limit_requests",
        "HttpApiStage",
    ),
    Mutant(
        "https for viewers",
        setting(
            "allow-all", "Distribution", "DistributionConfig", "DefaultCacheBehavior", "ViewerProtocolPolicy"
        ),
        OWN,
        "cloudfront_viewer_policy_https_check",
        "Distribution",
    ),
    Mutant(
        "the action of an alarm",
        without("QuarantineIsNotEmpty", "AlarmActions"),
        OWN,
        "cloudwatch_alarm_action_check",
        "QuarantineIsNotEmpty",
    ),
    Mutant(
        "encryption of the alarms' topic",
        without("AlarmTopic", "KmsMasterKeyId"),
        OWN,
        "topics_are_encrypted",
        "AlarmTopic",
    ),
    Mutant(
        "a function's log group",
        without("ReadFunction", "LoggingConfig"),
        OWN,
        "functions_log_to_the_stacks_group_and_are_traced",
        "ReadFunction",
    ),
    *POLICY_MUTANTS,
    *DATA_MUTANTS,
    *LITERAL_MUTANTS,
    Mutant(
        "an alarm whose list of actions is empty",
        setting([], "CatalogFails", "AlarmActions"),
        OWN,
        "cloudwatch_alarm_action_check",
        "CatalogFails",
    ),
    Mutant(
        "the topic that an alarm tells",
        setting(["arn:aws:sns:us-east-1:111122223333:other"], "CatalogFails", "AlarmActions"),
        OWN,
        "alarms_tell_the_stacks_topic",
        "CatalogFails",
    ),
    Mutant(
        "the end of an alarm",
        without("CatalogFails", "OKActions"),
        OWN,
        "alarms_tell_the_stacks_topic",
        "CatalogFails",
    ),
    Mutant(
        "what missing data means",
        without("CatalogFails", "TreatMissingData"),
        OWN,
        "alarms_tell_the_stacks_topic",
        "CatalogFails",
    ),
    Mutant(
        "the API's right on a function",
        removing("ErasePermission"),
        OWN,
        "only_named_callers_invoke_functions",
        "",
    ),
    Mutant(
        "the authorizer before a function",
        adding("Url", "AWS::Lambda::Url", AuthType="NONE", TargetFunctionArn={"Ref": "ReadFunction"}),
        OWN,
        "functions_have_no_addresses_of_their_own",
        "Url",
    ),
    Mutant(
        "the authorizer of what a waiver is for",
        setting({"Fn::Sub": "integrations/${ReadIntegration}"}, "PageRoute", "Target"),
        OWN,
        "routes_without_a_token_show_documents_and_files",
        "PageRoute",
    ),
    Mutant(
        "the expiry of tombstones",
        without("ViewsTable", "TimeToLiveSpecification"),
        OWN,
        "what_is_forgotten_expires",
        "ViewsTable",
    ),
    Mutant(
        "sign-in on Cognito's own page",
        setting(["ALLOW_USER_PASSWORD_AUTH"], "UserPoolClient", "ExplicitAuthFlows"),
        OWN,
        "users_write_no_claim_that_grants_rights",
        "UserPoolClient",
    ),
    Mutant(
        "encryption of queries' answers",
        without(
            "EventLogWorkGroup", "WorkGroupConfiguration", "ResultConfiguration", "EncryptionConfiguration"
        ),
        OWN,
        "answers_of_queries_are_encrypted",
        "EventLogWorkGroup",
    ),
    Mutant(
        "a type that CloudFormation knows",
        setting("sometimes", "ViewsTable", "BillingMode"),
        "cfn-lint",
        "E3030",
        "ViewsTable",
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_gate_finds_what_is_taken_out_of_the_template(mutant: Mutant) -> None:
    template = copy.deepcopy(transformed())
    if mutant.gate != "cfn-lint":  # it takes seconds, and `make lint` shows that it finds nothing
        assert not about(mutant, found_before(mutant.gate))
    mutant.change(template["Resources"])
    assert about(mutant, found_after(mutant, template)), f"{mutant.gate} does not miss {mutant.name}"


@cache
def found_before(gate: str) -> list[Finding]:
    """Return what a gate finds in the template as it is."""
    return list(GATES[gate](transformed()))


def found_after(mutant: Mutant, template: Mapping[str, Any]) -> Iterable[Finding]:
    """Return what the mutant's gate finds in the changed template, with the mutant's rule at least."""
    if mutant.gate != OWN:
        return GATES[mutant.gate](template)
    # All files take twice as long.
    return guard(template, [path for path in files_of_rules() if mutant.rule in rules_in([path])])


def about(mutant: Mutant, findings: Iterable[Finding]) -> list[Finding]:
    return [
        one
        for one in findings
        if one.rule == mutant.rule and one.resource.startswith(mutant.resource) and one.gate == mutant.gate
    ]


def test_rules_that_cfn_guard_cannot_read_stop_the_gates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = tmp_path / "rules.guard"
    rules.write_text(f"{RULES.read_text()}\nrule with_a_slip {{\n")
    monkeypatch.setattr("gates.checks.RULES", rules)
    with pytest.raises(RuntimeError, match=r"did not judge .*tables_are_protected_from_deletion"):
        list(guard(transformed()))


def test_each_rule_of_control_tower_is_about_something_that_the_template_has() -> None:
    kinds = {
        resource["Type"].split("::")[1].lower()
        for parameters in DEPLOYMENTS.values()
        for resource in Resolver(transformed(), parameters).resources().values()
    }
    services = {name.split("/")[0] for name in CONTROL_TOWER}
    known_as = {
        "apigateway": "apigatewayv2",
        "identityandaccessmanagement": "iam",
        "waf": "wafv2",
        "keymanagementservice": "kms",
    }
    assert {known_as.get(service, service) for service in services} <= kinds
