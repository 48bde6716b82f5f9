"""Changes of policies that let somebody do more than is needed, or the stack's own services less."""

from tests.e2e.mutants import OWN, TRUST, Mutant, allowing, removing, setting, stating, without

POLICY_MUTANTS = [
    Mutant(
        "an access log that names no learner",
        setting("$context.path $context.status", "HttpApiStage", "AccessLogSettings", "Format"),
        OWN,
        "stages_limit_requests",
        "HttpApiStage",
    ),
    Mutant(
        "answers that CloudFront does not keep",
        setting(
            "658327ea-f89d-4fab-a63d-7e88639e58f6",  # AWS's CachingOptimized
            *("Distribution", "DistributionConfig", "DefaultCacheBehavior", "CachePolicyId"),
        ),
        OWN,
        "answers_are_not_shared_between_learners",
        "Distribution",
    ),
    Mutant(
        "names of actions in a policy beside its role",
        stating("ErasurePassMachineMaps", Action="states:Start*"),
        OWN,
        "policies_name_each_action",
        "ErasurePassMachineMaps",
    ),
    Mutant(
        "a role that may take other roles",
        allowing("ReadRole", "dynamodb:Query", Action="iam:PassRole"),
        OWN,
        "roles_name_each_action",
        "ReadRole",
    ),
    Mutant(
        "a role with a policy of AWS's",
        setting(["arn:aws:iam::aws:policy/AdministratorAccess"], "ReadRole", "ManagedPolicyArns"),
        OWN,
        "roles_name_each_action",
        "ReadRole",
    ),
    Mutant(
        "the name of the bucket in a role",
        allowing("ExportsRole", "s3:GetObject", Resource="arn:aws:s3:::*"),
        OWN,
        "roles_name_each_action",
        "ExportsRole",
    ),
    Mutant(
        "the service that a role trusts",
        setting("*", "ReadRole", *TRUST, "Principal"),
        OWN,
        "roles_trust_services_only",
        "ReadRole",
    ),
    Mutant(
        "a bucket that nobody else may read",
        stating("EventLogBucketPolicy", Effect="Allow", Condition=None),
        OWN,
        "buckets_queues_and_topics_are_for_named_services",
        "EventLogBucketPolicy",
    ),
    Mutant(
        "the caller of a queue",
        stating("RuleDeadLettersPolicy", Principal="*"),
        OWN,
        "buckets_queues_and_topics_are_for_named_services",
        "RuleDeadLettersPolicy",
    ),
    Mutant(
        "the source account of a topic",
        stating("AlarmTopicPolicy", Condition=None),
        OWN,
        "buckets_queues_and_topics_are_for_named_services",
        "AlarmTopicPolicy",
    ),
    Mutant(
        "the policy of the dead-letter queue",
        removing("RuleDeadLettersPolicy"),
        OWN,
        "events_that_fail_go_to_dead_letters",
        "",
    ),
    Mutant(
        "the policy of the alarms' topic",
        removing("AlarmTopicPolicy"),
        OWN,
        "alarms_may_use_the_topic_and_its_key",
        "",
    ),
    Mutant(
        "the owner of a key",
        setting({"AWS": "*"}, "AlarmKey", "KeyPolicy", "Statement", 0, "Principal"),
        OWN,
        "keys_are_for_this_account_only",
        "AlarmKey",
    ),
    Mutant(
        "the source account of who uses a key",
        without("AlarmKey", "KeyPolicy", "Statement", 1, "Condition"),
        OWN,
        "keys_are_for_this_account_only",
        "AlarmKey",
    ),
    Mutant(
        "CloudWatch's right on the topic's key",
        without("AlarmKey", "KeyPolicy", "Statement", 1),
        OWN,
        "alarms_may_use_the_topic_and_its_key",
        "AlarmKey",
    ),
]
