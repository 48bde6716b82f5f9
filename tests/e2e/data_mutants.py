"""Changes after which records are lost or kept for too long, and what a template must not spell out."""

from typing import Any

from tests.e2e.mutants import OWN, Change, Mutant, Resources, setting, without, without_rule

LOG = "ExtendedS3DestinationConfiguration"
PASS = ("Definition", "States", "Begin", "Resource")


def rule_with(bucket: str, name: str, **members: Any) -> Change:
    """Return a change of a rule of a bucket's lifecycle."""

    def change(resources: Resources) -> None:
        rules = resources[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
        [found] = [one for one in rules if one.get("Id") == name]
        found.update(members)

    return change


def variable(name: str, value: str) -> Change:
    return setting(value, "ReadFunction", "Environment", "Variables", name)


def source_arn(text: str) -> Change:
    return setting({"Fn::Sub": text}, "ReadPermission", "SourceArn")


DATA_MUTANTS = [
    *(
        Mutant(
            f"the expiry of {prefix}/",
            without_rule("EventLogBucket", prefix),
            OWN,
            "what_names_learners_for_a_while_is_deleted",
            "",
        )
        for prefix in ("exports", "queries", "rebuilds", "erasures")
    ),
    Mutant(
        "the short life of exports",
        rule_with("EventLogBucket", "exports", ExpirationInDays=30),
        OWN,
        "what_names_learners_for_a_while_is_deleted",
        "EventLogBucket",
    ),
    Mutant(
        "a rule of a bucket's lifecycle, switched off",
        rule_with("EventLogBucket", "queries", Status="Disabled"),
        OWN,
        "incomplete_uploads_are_aborted",
        "EventLogBucket",
    ),
    Mutant(
        "the expiry of CloudFront's logs",
        without_rule("CdnLogs", "month"),
        OWN,
        "addresses_are_deleted",
        "CdnLogs",
    ),
    Mutant(
        "the retries of a batch",
        setting(0, "ProjectFunctionStream", "MaximumRetryAttempts"),
        OWN,
        "failed_batches_go_to_a_destination",
        "ProjectFunctionStream",
    ),
    Mutant(
        "the beginning of a stream",
        setting("LATEST", "CatalogFunctionContent", "StartingPosition"),
        OWN,
        "failed_batches_go_to_a_destination",
        "CatalogFunctionContent",
    ),
    Mutant(
        "the day before the stream drops records",
        setting(604_800, "ProjectFunctionStream", "MaximumRecordAgeInSeconds"),
        OWN,
        "records_are_set_aside_before_the_stream_drops_them",
        "ProjectFunctionStream",
    ),
    Mutant(
        "the hours before a table's stream drops changes",
        setting(518_400, "AnnounceFunctionAwards", "MaximumRecordAgeInSeconds"),
        OWN,
        "changes_are_set_aside_before_the_table_drops_them",
        "AnnounceFunctionAwards",
    ),
    Mutant(
        "the retries of the bus",
        setting(0, "BusToStream", "Targets", 0, "RetryPolicy", "MaximumRetryAttempts"),
        OWN,
        "events_that_fail_go_to_dead_letters",
        "BusToStream",
    ),
    Mutant(
        "a dead-letter queue that takes the bus's events",
        setting(
            {"Fn::GetAtt": ["Quarantine", "Arn"]}, "BusToStream", "Targets", 0, "DeadLetterConfig", "Arn"
        ),
        OWN,
        "events_that_fail_go_to_dead_letters",
        "BusToStream",
    ),
    Mutant(
        "the queue that the bus may write to",
        setting([{"Ref": "Quarantine"}], "RuleDeadLettersPolicy", "Queues"),
        OWN,
        "events_that_fail_go_to_dead_letters",
        "RuleDeadLettersPolicy",
    ),
    Mutant(
        "the rule, switched off",
        setting("DISABLED", "BusToStream", "State"),
        OWN,
        "events_that_fail_go_to_dead_letters",
        "BusToStream",
    ),
    Mutant(
        "where Firehose leaves what it could not deliver",
        without("EventLogDelivery", LOG, "ErrorOutputPrefix"),
        OWN,
        "the_log_is_written_where_it_is_read",
        "EventLogDelivery",
    ),
    Mutant(
        "where Firehose writes the log",
        setting("elsewhere/", "EventLogDelivery", LOG, "Prefix"),
        OWN,
        "the_log_is_written_where_it_is_read",
        "EventLogDelivery",
    ),
    Mutant(
        "the function that makes lines of records",
        without("EventLogDelivery", LOG, "ProcessingConfiguration"),
        OWN,
        "the_log_is_written_where_it_is_read",
        "EventLogDelivery",
    ),
    Mutant(
        "the API's right on the function that it calls",
        setting({"Ref": "IngestFunctionAliaslive"}, "ReadPermission", "FunctionName"),
        OWN,
        "only_named_callers_invoke_functions",
        "ReadIntegration",
    ),
    Mutant(
        "the alias in a right on a function",
        setting({"Ref": "ReadFunction"}, "ReadPermission", "FunctionName"),
        OWN,
        "only_named_callers_invoke_functions",
        "ReadPermission",
    ),
    Mutant(
        "the service in a right on a function",
        setting("*", "ReadPermission", "Principal"),
        OWN,
        "only_named_callers_invoke_functions",
        "ReadPermission",
    ),
    Mutant(
        "https on the way back from signing in",
        setting(["http://learn.example/"], "UserPoolClient", "CallbackURLs"),
        OWN,
        "users_write_no_claim_that_grants_rights",
        "UserPoolClient",
    ),
    Mutant(
        "the web ACL before CloudFront",
        without("Distribution", "DistributionConfig", "WebACLId"),
        OWN,
        "a_web_acl_stands_before_the_distribution_and_blocks",
        "Distribution",
    ),
    Mutant(
        "the limit of an address",
        without("WebAcl", "Rules", 0),
        OWN,
        "a_web_acl_stands_before_the_distribution_and_blocks",
        "WebAcl",
    ),
    Mutant(
        "a web ACL that blocks",
        setting({"Count": {}}, "WebAcl", "Rules", 1, "OverrideAction"),
        OWN,
        "a_web_acl_stands_before_the_distribution_and_blocks",
        "WebAcl",
    ),
    Mutant(
        "the schedule of erasures, switched off",
        setting("DISABLED", "ErasurePassSchedule", "State"),
        OWN,
        "erased_learners_leave_the_log",
        "ErasurePassSchedule",
    ),
    Mutant(
        "where queries leave their answers",
        setting(
            "s3://other/",
            *("EventLogWorkGroup", "WorkGroupConfiguration", "ResultConfiguration", "OutputLocation"),
        ),
        OWN,
        "answers_of_queries_are_encrypted",
        "EventLogWorkGroup",
    ),
    Mutant(
        "the order of a learner's records",
        without("BusToStream", "Targets", 0, "KinesisParameters"),
        OWN,
        "events_that_fail_go_to_dead_letters",
        "BusToStream",
    ),
    *(
        Mutant(
            f"the {name} of an alarm",
            setting(value, alarm, name),
            OWN,
            "alarms_ring_at_trouble",
            alarm,
        )
        for name, alarm, value in (
            ("Threshold", "QuarantineIsNotEmpty", 1_000),
            ("Threshold", "ConsumerIsBehind", 86_400_000),
            ("Statistic", "RuleHasDeadLetters", "Minimum"),
            ("Period", "ConsumerFails", 86_400),
            ("ComparisonOperator", "StatesAreUnreadable", "LessThanThreshold"),
        )
    ),
    Mutant(
        "the length of passwords",
        setting(8, "UserPool", "Policies", "PasswordPolicy", "MinimumLength"),
        OWN,
        "user_pools_are_protected_and_closed",
        "UserPool",
    ),
    Mutant(
        "the short life of tokens",
        setting(1_440, "UserPoolClient", "IdTokenValidity"),
        OWN,
        "users_write_no_claim_that_grants_rights",
        "UserPoolClient",
    ),
    Mutant(
        "silence about who has an account",
        setting("LEGACY", "UserPoolClient", "PreventUserExistenceErrors"),
        OWN,
        "users_write_no_claim_that_grants_rights",
        "UserPoolClient",
    ),
    Mutant(
        "a client without a secret",
        setting(True, "UserPoolClient", "GenerateSecret"),
        OWN,
        "users_write_no_claim_that_grants_rights",
        "UserPoolClient",
    ),
    Mutant(
        "tokens that are in no address",
        setting(["code", "implicit"], "UserPoolClient", "AllowedOAuthFlows"),
        OWN,
        "users_write_no_claim_that_grants_rights",
        "UserPoolClient",
    ),
]
"""Found by rules of gates/rules.guard."""

_SOURCE = "execute-api:${AWS::Region}:${AWS::AccountId}:${HttpApi}/*/*/*"
LITERAL_MUTANTS = [
    Mutant(name, change, "literals", rule, resource)
    for name, change, rule, resource in (
        (
            "the partition in a state machine",
            setting("arn:aws:states:::lambda:invoke", "ErasurePass", *PASS),
            "partitions_are_those_of_the_stack",
            "ErasurePass",
        ),
        (
            "the partition in a name",
            source_arn(f"arn:aws:{_SOURCE}"),
            "partitions_are_those_of_the_stack",
            "ReadPermission",
        ),
        (
            "the account",
            source_arn(f"arn:${{AWS::Partition}}:{_SOURCE.replace('${AWS::AccountId}', '444455556666')}"),
            "accounts_are_those_of_the_stack",
            "ReadPermission",
        ),
        (
            "the region",
            source_arn(f"arn:${{AWS::Partition}}:{_SOURCE.replace('${AWS::Region}', 'us-east-1')}"),
            "regions_are_those_of_the_stack",
            "ReadPermission",
        ),
        (
            "the domain of the partition",
            setting(
                {"Fn::Sub": "${HttpApi}.execute-api.${AWS::Region}.amazonaws.com"},
                *("Distribution", "DistributionConfig", "Origins", 0, "DomainName"),
            ),
            "hosts_are_those_of_the_partition",
            "Distribution",
        ),
        (
            "a variable without a password",
            variable("DB_PASSWORD", "a"),
            "no_variable_holds_a_secret",
            "ReadFunction",
        ),
        (
            "a variable without a key",
            variable("WHO", "AKIAIOSFODNN7EXAMPLE"),
            "nothing_is_a_secret",
            "ReadFunction",
        ),
        (
            "a variable without what a store keeps secret",
            variable("WHO", "{{resolve:secretsmanager:db:SecretString:user}}"),
            "nothing_is_a_secret",
            "ReadFunction",
        ),
    )
]
"""Found by gates/literals.py."""
