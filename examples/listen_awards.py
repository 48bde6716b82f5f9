"""Print each award once: a rule on the bus sends awards into a queue, and this script reads the queue.

Run `eval "$(streakline env)"` first, then: python examples/listen_awards.py
On AWS, make the queue and the rule with CloudFormation instead: docs/api.md has the template, with the policy
that lets the rule send to the queue.
"""

import json
import os

import boto3

sqs, events = boto3.client("sqs"), boto3.client("events")
url = sqs.create_queue(QueueName="example-awards")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
rule = {"Name": "example-awards", "EventBusName": os.environ["BUS_NAME"]}
pattern = {"source": ["streakline"], "detail-type": ["achievement.earned", "certification.completed"]}
events.put_rule(**rule, EventPattern=json.dumps(pattern))
events.put_targets(
    Rule=rule["Name"], EventBusName=rule["EventBusName"], Targets=[{"Id": "queue", "Arn": arn}]
)
print("listening", flush=True)

# Awards come at least once. A real consumer keeps the ids that it has seen beside what it does with them.
seen = set()
while True:
    for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5).get(
        "Messages", []
    ):
        award = json.loads(message["Body"])["detail"]
        if award["event_id"] not in seen:
            seen.add(award["event_id"])
            print(award["user_id"], award.get("title", award["event_id"]), flush=True)
        # Delete it after the work is done: if the work fails, the message comes again.
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
