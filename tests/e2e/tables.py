"""Tables of a platform that were there before the stack."""

from collections.abc import Iterator
from contextlib import contextmanager

from cli.stack import Stack


@contextmanager
def table_with_stream(stack: Stack, name: str, hash_key: str, range_key: str) -> Iterator[str]:
    """Create a table with a stream of new images on the stack's MiniStack. Yield the ARN of the stream."""
    dynamodb = stack.client("dynamodb")
    made = dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in (hash_key, range_key)],
        KeySchema=[
            {"AttributeName": hash_key, "KeyType": "HASH"},
            {"AttributeName": range_key, "KeyType": "RANGE"},
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    yield made["TableDescription"]["LatestStreamArn"]
    dynamodb.delete_table(TableName=name)
