"""The control table's item that says which rebuild is under way, so that there are never two.

| pk      | sk      | content                                                                     |
|---------|---------|-----------------------------------------------------------------------------|
| CONTROL | REBUILD | `run`, `colour`, `begun_at` and, once it is over, `finished_at` (in ms)       |
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from botocore.exceptions import ClientError

from domain.generations import Colour
from functions.errors import is_contention

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY = {"pk": {"S": "CONTROL"}, "sk": {"S": "REBUILD"}}
"""The item's key."""


class LatestRun(NamedTuple):
    """The latest rebuild."""

    run: str
    colour: Colour
    """The generation that it builds."""
    begun_at: int
    """In milliseconds since 1970."""
    finished_at: int | None = None
    """In milliseconds since 1970; None if it is under way, or has failed."""


@dataclass(frozen=True, slots=True)
class Runs:
    """The rebuilds of a stack."""

    client: "DynamoDBClient"
    table: str

    def latest(self) -> LatestRun | None:
        """Return the latest rebuild; None if there was none."""
        answer: Any = self.client.get_item(TableName=self.table, Key=KEY, ConsistentRead=True)
        item = answer.get("Item")
        if item is None:
            return None
        finished = int(item["finished_at"]["N"]) if "finished_at" in item else None
        colour = cast(Colour, item["colour"]["S"])
        return LatestRun(item["run"]["S"], colour, int(item["begun_at"]["N"]), finished)

    def begin(self, run: LatestRun, latest: LatestRun | None) -> bool:
        """Note a new rebuild if `latest` is still the latest one. Return False if somebody was faster."""
        if latest is None:
            condition: Any = {"ConditionExpression": "attribute_not_exists(pk)"}
        else:
            condition = {
                "ConditionExpression": "run = :run",
                "ExpressionAttributeValues": {":run": {"S": latest.run}},
            }
        return self._put(run, condition)

    def finish(self, run: LatestRun, at: int) -> None:
        """Note that a rebuild is over, unless there is a later one."""
        same = {"ConditionExpression": "run = :run", "ExpressionAttributeValues": {":run": {"S": run.run}}}
        self._put(run._replace(finished_at=at), same)

    def _put(self, run: LatestRun, condition: Any) -> bool:
        item: Any = {
            **KEY,
            "run": {"S": run.run},
            "colour": {"S": run.colour},
            "begun_at": {"N": str(run.begun_at)},
        }
        if run.finished_at is not None:
            item["finished_at"] = {"N": str(run.finished_at)}
        try:
            self.client.put_item(TableName=self.table, Item=item, **condition)
        except ClientError as error:
            if not is_contention(error):
                raise
            return False
        return True
