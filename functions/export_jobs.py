"""The exports that learners have asked for: their jobs, and the objects that they end in.

| pk           | sk    | content                                                           |
|--------------|-------|-------------------------------------------------------------------|
| EXPORT#<id>  | <job> | `status`, `reason`, `asked_at` in microseconds; kept for a day     |
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, cast, get_args
from uuid import uuid4

from botocore.exceptions import ClientError

from domain.days import instant, microseconds
from functions.errors import is_contention
from functions.items import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

EXPORTS = "exports/"
"""Prefix of the objects in the event log's bucket."""
KEPT = timedelta(days=1)
"""How long a job can be asked about, and its export be fetched."""
AGAIN_AFTER = timedelta(hours=1)
"""A learner's next export is made only so long after the last one: each reads the whole event log."""
GIVEN_UP_AFTER = timedelta(minutes=35)
"""An export that runs longer has failed: two attempts of a quarter of an hour each, with a pause."""
LINK_LIVES = timedelta(minutes=15)

Status = Literal["running", "ready", "failed"]


class Job(NamedTuple):
    """An export that was asked for."""

    user_id: str
    id: str
    status: Status
    asked_at: datetime
    reason: str | None = None
    """Why it has failed, for a person."""

    @property
    def key(self) -> str:
        """The key of the object that it ends in. It does not tell the learner's id."""
        return f"{_prefix(self.user_id)}{self.id}.json"


def _prefix(user_id: str) -> str:
    return f"{EXPORTS}{sha256(user_id.encode()).hexdigest()[:32]}/"


@dataclass(frozen=True, slots=True)
class ExportJobs:
    """The jobs in the control table, and their objects in the event log's bucket."""

    client: "DynamoDBClient"
    table: str
    s3: "S3Client"
    bucket: str

    def ask(self, user_id: str, now: datetime) -> tuple[Job, bool]:
        """Return a job for a learner, and whether it is new. One that is new enough is returned again."""
        for job in self._all(user_id, now):
            if job.status != "failed" and job.asked_at > now - AGAIN_AFTER:
                return job, False
        job = Job(user_id, uuid4().hex, "running", now)
        self.client.put_item(TableName=self.table, Item=_item(job))
        return job, True

    def find(self, user_id: str, job_id: str, now: datetime) -> Job | None:
        """Return a job of a learner; None if there is none, or not any more."""
        return next((job for job in self._all(user_id, now) if job.id == job_id), None)

    def _all(self, user_id: str, now: datetime) -> list[Job]:
        answer: Any = self.client.query(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": _pk(user_id)}},
            ConsistentRead=True,
        )
        jobs = (_job(item, now) for item in answer["Items"])
        return [job for job in jobs if job.asked_at > now - KEPT]

    def store(self, job: Job, content: IO[bytes]) -> bool:
        """Keep an export, and note that it is ready. Return False if the learner was erased meanwhile."""
        self.s3.put_object(Bucket=self.bucket, Key=job.key, Body=content, ContentType="application/json")
        if self.note(job, "ready"):
            return True
        self.s3.delete_object(Bucket=self.bucket, Key=job.key)
        return False

    def note(self, job: Job, status: Status, reason: str = "") -> bool:
        """Note the status of a job. Return False if the job is gone."""
        try:
            self.client.update_item(
                TableName=self.table,
                Key=_key(job.user_id, job.id),
                UpdateExpression="SET #status = :status, reason = :reason",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":status": {"S": status}, ":reason": {"S": reason}},
            )
        except ClientError as error:
            if not is_contention(error):
                raise
            return False
        return True

    def link(self, job: Job, signer: "S3Client") -> str:
        """Return an address at which the export can be fetched for a quarter of an hour."""
        return signer.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.bucket,
                "Key": job.key,
                "ResponseContentDisposition": 'attachment; filename="streakline-export.json"',
            },
            ExpiresIn=int(LINK_LIVES.total_seconds()),
        )

    def forget(self, user_id: str) -> None:
        """Delete a learner's jobs and exports."""
        answer: Any = self.client.query(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": _pk(user_id)}},
            ConsistentRead=True,
        )
        for item in answer["Items"]:
            self.client.delete_item(TableName=self.table, Key={"pk": item["pk"], "sk": item["sk"]})
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=_prefix(user_id))
        for each in found.get("Contents", []):
            self.s3.delete_object(Bucket=self.bucket, Key=each["Key"])


def _pk(user_id: str) -> str:
    return f"EXPORT#{user_id}"


def _key(user_id: str, job_id: str) -> Item:
    return {"pk": {"S": _pk(user_id)}, "sk": {"S": job_id}}


def _item(job: Job) -> Item:
    return {
        **_key(job.user_id, job.id),
        "status": {"S": job.status},
        "asked_at": {"N": str(microseconds(job.asked_at))},
        "expires_at": {"N": str(int((job.asked_at + KEPT).timestamp()))},
    }


def _job(item: Item, now: datetime) -> Job:
    status: str = item["status"]["S"]
    if status not in get_args(Status):
        raise ValueError(f"{status!r} is no status of an export")
    asked_at = instant(int(item["asked_at"]["N"]))
    user_id = item["pk"]["S"].removeprefix("EXPORT#")
    reason = item["reason"]["S"] if "reason" in item else ""
    if status == "running" and asked_at <= now - GIVEN_UP_AFTER:
        status, reason = "failed", "It took too long."
    return Job(user_id, item["sk"]["S"], cast(Status, status), asked_at, reason or None)
