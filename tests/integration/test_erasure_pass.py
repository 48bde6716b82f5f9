"""A pass over log, queues and failed batches: no byte of an erased learner stays, and all others do."""

import gzip
import io
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.log_line import line_for, line_of, to_text
from functions import aws, items
from functions.erased_data import NAMED
from functions.erasure import Eraser, Erasing
from functions.erasure_letters import Letters, MessagesAreHidden
from functions.erasure_list import ErasureList
from functions.erasure_objects import Objects
from functions.erasure_pass import Begun, Pass
from functions.log_objects import read_line, read_object
from functions.quarantine import Position, Quarantined
from functions.records import Received
from tests.frames import aggregate
from tests.integration.conftest import ARRIVAL, BUCKET, CONTROL, VIEWS, World, interaction

ANN, BOB, CHO = "ann-4711", "bob-0815", "cho-1234"
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
OBJECT = "log/2026/03/02/lines.gz"


@pytest.fixture
def dead_letters(world: World) -> str:
    return str(aws.sqs().create_queue(QueueName="dead-letters")["QueueUrl"])


@pytest.fixture
def erasing(world: World) -> Erasing:
    client = aws.dynamodb()
    eraser = Eraser(client, VIEWS, pause=lambda _: None)
    return Erasing([eraser], ErasureList(client, CONTROL), lambda *_: None, lambda _: None)


@pytest.fixture
def the_pass(world: World, erasing: Erasing, dead_letters: str) -> Pass:
    objects = Objects(aws.s3(), BUCKET)
    return Pass(erasing, objects, Letters(aws.sqs(), objects, world.queue_url, dead_letters, 0))


def run(the_pass: Pass, now: datetime = NOW) -> Begun:
    """Make a whole pass, as the state machine does."""
    begun = the_pass.begin(now)
    erasures = the_pass.erasures()
    the_pass.letters.erase(erasures)
    the_pass.objects.erase_from_quarantine(erasures)
    for batch in json.loads(stored(begun.manifest)) if begun.erasures else []:
        the_pass.objects.erase_from_log(batch["keys"], the_pass.erasures())
    if begun.erasures:
        the_pass.end(begun.began_at, begun.manifest)
    return begun


def stored(key: str) -> bytes:
    return aws.s3().get_object(Bucket=BUCKET, Key=key)["Body"].read()


def put(key: str, content: bytes) -> None:
    aws.s3().put_object(Bucket=BUCKET, Key=key, Body=content)


def of(user_id: str, event_id: str, **fields: Any) -> bytes:
    return json.dumps(interaction(event_id, user_id=user_id, **fields)).encode()


def line(payload: bytes, number: int = 1, part: int = 0) -> bytes:
    made = line_for(payload, ARRIVAL, "shardId-000000000000", str(number), part)
    return to_text(made).encode() + b"\n"


def lines_at(key: str) -> list[bytes]:
    content = stored(key)
    return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).splitlines(keepends=True)


def every_byte(world: World, *urls: str) -> Iterator[tuple[str, bytes]]:
    """Yield everything stored in tables, bucket and queues, unpacked, with its place."""
    for table in (VIEWS, CONTROL):
        for item in aws.dynamodb().scan(TableName=table)["Items"]:
            yield f"{table} {items.name_of(item)}", repr(item).encode()
    for found in aws.s3().list_objects_v2(Bucket=BUCKET).get("Contents", []):
        content = stored(found["Key"])
        yield found["Key"], _unpacked(content) + found["Key"].encode()
    for url in urls:
        while messages := aws.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                yield url, _unpacked(message["Body"].encode())


def _unpacked(content: bytes) -> bytes:
    """Return bytes with everything in them that is compressed or in base64 beside them, at any depth."""
    if content[:2] == b"\x1f\x8b":
        return content + _unpacked(gzip.decompress(content))
    found = content
    for text in json.dumps(content.decode(errors="replace")).replace("\\", " ").replace('"', " ").split():
        if len(text) > 20:
            try:
                found += _unpacked(b64decode(text, validate=True))
            except ValueError:
                continue
    return found


# -- the log ---------------------------------------------------------------------------------------


def test_lines_of_an_erased_learner_are_gone_and_the_others_are_the_same_bytes(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    others = [line(of(BOB, "b1"), 2), line(b'{"nonsense": true}', 3), line(b"\xff\xfe no text", 4)]
    content = [line(of(ANN, "a1"), 1), others[0], line(of(ANN, "a2", occurred_at="never"), 5), *others[1:]]
    put(OBJECT, gzip.compress(b"".join(content)))
    erasing.erase(ANN, NOW)
    run(the_pass)
    assert lines_at(OBJECT) == others


def test_a_line_that_names_its_learner_is_decided_without_parsing_it() -> None:
    assert NAMED.match(line(of(ANN, "a1")))
    for payload in (b'{"user_id": null}', b"[1]", b'{"x": "\\"user_id\\":\\"bob\\""}'):
        assert not NAMED.match(line(payload))
    assert not NAMED.match(of(ANN, "a1"))


def test_an_object_without_an_erased_learner_is_not_written_again(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    put(OBJECT, gzip.compress(line(of(BOB, "b1"))))
    erasing.erase(ANN, NOW)
    world.calls.clear()
    run(the_pass)
    written = [params["Key"] for name, params in world.calls if name in ("PutObject", "DeleteObject")]
    assert all(key.startswith("erasures/") for key in written), written


def test_an_object_with_nothing_else_is_deleted(world: World, erasing: Erasing, the_pass: Pass) -> None:
    put(OBJECT, gzip.compress(line(of(ANN, "a1"))))
    erasing.erase(ANN, NOW)
    run(the_pass)
    assert "Contents" not in aws.s3().list_objects_v2(Bucket=BUCKET)


@pytest.mark.parametrize(
    "frame",
    [
        lambda parts: b"[" + b", ".join(parts) + b"]",
        lambda parts: b"\n".join(parts),
        lambda parts: gzip.compress(b"\n".join(parts)),
        aggregate,
        lambda parts: aggregate([gzip.compress(part) for part in parts]),
    ],
    ids=["array", "lines", "gzip", "aggregate", "aggregate of gzip"],
)
def test_only_the_parts_of_an_erased_learner_are_taken_out_of_a_frame(
    world: World, erasing: Erasing, the_pass: Pass, frame: Any
) -> None:
    parts = [of(BOB, "b1"), of(ANN, "a1"), of(CHO, "c1"), of(ANN, "a2")]
    put(OBJECT, line(frame(parts), 7))
    before = records(OBJECT)
    erasing.erase(ANN, NOW)
    run(the_pass)
    after = records(OBJECT)
    assert {position: before[position] for position in after} == after
    assert {interaction_of.interaction.user_id for interaction_of in after.values()} == {BOB, CHO}
    assert ANN.encode() not in b"".join(lines_at(OBJECT))


def records(key: str) -> dict[Position, Received]:
    """Return the records in an object of the log as a replay reads them, by their positions."""
    found = aws.s3().get_object(Bucket=BUCKET, Key=key)
    read: dict[Position, Received] = {}
    for each in read_object(io.BytesIO(found["Body"].read()), key, found["LastModified"]):
        for record in read_line(each):  # type: ignore[arg-type]  # a bad line fails the test
            assert isinstance(record, Received)
            read[record.position] = record
    return read


def test_bare_lines_of_an_earlier_release_are_rewritten_too(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    put(OBJECT, of(ANN, "a1") + b"\n" + of(BOB, "b1") + b"\n")
    erasing.erase(ANN, NOW)
    run(the_pass)
    [left] = lines_at(OBJECT)
    assert left == of(BOB, "b1") + b"\n"


def test_what_firehose_could_not_transform_is_rewritten_too(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    def failed(data: bytes) -> bytes:
        fields = {
            "attemptsMade": 4,
            "arrivalTimestamp": int(ARRIVAL.timestamp() * 1000),
            "errorCode": "Lambda.FunctionError",
            "errorMessage": "The Lambda function was invoked but it returned an error.",
            "rawData": b64encode(data).decode(),
        }
        return json.dumps(fields).encode() + b"\n"

    key = "log-errors/processing-failed/2026/03/02/errors"
    put(key, failed(of(ANN, "a1")) + failed(of(BOB, "b1")) + failed(of(ANN, "a2") + b"\n" + of(CHO, "c1")))
    erasing.erase(ANN, NOW)
    run(the_pass)
    left = [b64decode(json.loads(text)["rawData"]) for text in lines_at(key)]
    assert left == [of(BOB, "b1"), of(CHO, "c1")]


def test_a_line_that_cannot_be_read_goes_if_it_has_the_learners_id_and_stays_otherwise(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    put(OBJECT, b'{"user_id": "' + ANN.encode() + b'", \n' + b"no JSON at all\n" + ANN.encode() + b"-x {\n")
    erasing.erase(ANN, NOW)
    run(the_pass)
    assert lines_at(OBJECT) == [b"no JSON at all\n", ANN.encode() + b"-x {\n"]


def test_the_readable_part_of_a_truncated_object_is_rewritten(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    many = b"".join(line(of(BOB, f"b{n}", session_id=f"{n * 7919:032x}"), n) for n in range(500))
    put(OBJECT, gzip.compress(line(of(ANN, "a1")) + many)[:-2000])
    erasing.erase(ANN, NOW)
    run(the_pass)
    *left, cut_off = lines_at(OBJECT)
    assert len(left) > 100
    assert {line_of(text).user_id for text in left} == {BOB}
    assert cut_off.strip() in many


def test_an_object_that_changes_while_it_is_rewritten_is_read_again(
    world: World, erasing: Erasing, the_pass: Pass, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(OBJECT, line(of(ANN, "a1"), 1) + line(of(BOB, "b1"), 2) + line(of(CHO, "c1"), 3))
    erasing.erase(ANN, NOW)
    client = aws.s3()
    write = client.put_object
    waiting = [True]

    def overtaken(**params: Any) -> Any:
        if params["Key"] == OBJECT and waiting:
            waiting.clear()
            write(Bucket=BUCKET, Key=OBJECT, Body=line(of(ANN, "a1"), 1) + line(of(BOB, "b1"), 2))
        return write(**params)

    monkeypatch.setattr(client, "put_object", overtaken)
    run(the_pass)
    assert lines_at(OBJECT) == [line(of(BOB, "b1"), 2)]


def test_storage_class_and_metadata_are_kept(world: World, erasing: Erasing, the_pass: Pass) -> None:
    aws.s3().put_object(
        Bucket=BUCKET,
        Key=OBJECT,
        Body=line(of(ANN, "a1")) + line(of(BOB, "b1")),
        StorageClass="GLACIER_IR",
        Metadata={"made-by": "somebody"},
    )
    erasing.erase(ANN, NOW)
    run(the_pass)
    found = aws.s3().head_object(Bucket=BUCKET, Key=OBJECT)
    assert (found["StorageClass"], found["Metadata"]) == ("GLACIER_IR", {"made-by": "somebody"})


def test_an_object_that_is_gone_is_no_error_and_one_that_cannot_be_read_is(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    put(OBJECT, line(of(ANN, "a1")))
    aws.s3().put_object(Bucket=BUCKET, Key="log/archived", Body=b"x", StorageClass="GLACIER")
    erasing.erase(ANN, NOW)
    with pytest.raises(ExceptionGroup, match="1 objects were not rewritten") as caught:
        the_pass.objects.erase_from_log(["log/archived", OBJECT, "log/no-such"], the_pass.erasures())
    assert "log/archived" in caught.value.exceptions[0].__notes__[0]
    assert OBJECT not in the_pass.objects.keys("log/")


# -- queues and batches ----------------------------------------------------------------------------


def refused(world: World, payload: bytes, number: int) -> None:
    position = Position("shardId-000000000000", str(number))
    world.quarantine.put([Quarantined(payload, "unknown_content", "unknown", position, ARRIVAL)])


def bodies(url: str) -> list[str]:
    found = []
    while messages := aws.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    return found


def test_messages_and_large_payloads_of_an_erased_learner_are_deleted(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    large = {"additional_data": {"text": "x" * 70_000}}
    for number, payload in enumerate(
        (of(ANN, "a1"), of(BOB, "b1"), of(ANN, "a2", **large), of(BOB, "b2", **large), b"{" + ANN.encode())
    ):
        refused(world, payload, number)
    both = of(ANN, "a3", **large) + b"\n" + of(CHO, "c1")
    refused(world, both, 9)
    erasing.erase(ANN, NOW)
    run(the_pass)
    left = sorted(json.loads(body)["position"]["sequence_number"] for body in bodies(world.queue_url))
    assert left == ["1", "3", "9"]
    payloads = {key[-1]: stored(key) for key in the_pass.objects.keys("quarantine/")}
    assert payloads == {"3": of(BOB, "b2", **large), "9": of(CHO, "c1")}


def test_a_frame_in_a_message_keeps_its_other_learners(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    refused(world, b"[" + of(ANN, "a1") + b"," + of(BOB, "b1") + b"]", 1)
    erasing.erase(ANN, NOW)
    run(the_pass)
    [body] = bodies(world.queue_url)
    assert b64decode(json.loads(body)["payload"]) == of(BOB, "b1")


def test_statements_of_an_erased_learner_are_found_by_their_actor(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    for number, name in enumerate((ANN, BOB)):
        statement = {"actor": {"account": {"homePage": "https://a.example", "name": name}}, "verb": {}}
        refused(world, json.dumps(statement).encode(), number)
    erasing.erase(ANN, NOW)
    run(the_pass)
    [body] = bodies(world.queue_url)
    assert BOB.encode() in b64decode(json.loads(body)["payload"])


def test_dead_letters_of_an_erased_learner_are_deleted(
    world: World, erasing: Erasing, the_pass: Pass, dead_letters: str
) -> None:
    for user_id in (ANN, BOB):
        detail = interaction("e", user_id=user_id)
        for body in (detail, {"detail-type": "interaction.recorded", "detail": detail}):
            aws.sqs().send_message(QueueUrl=dead_letters, MessageBody=json.dumps(body))
    erasing.erase(ANN, NOW)
    run(the_pass)
    left = bodies(dead_letters)
    assert len(left) == 2
    assert all(BOB in body for body in left)


def failed_batch(*records: dict[str, Any]) -> bytes:
    return json.dumps(
        {
            "requestContext": {"functionArn": "arn:…:project", "condition": "RetryAttemptsExhausted"},
            "timestamp": ARRIVAL.isoformat(),
            "payload": json.dumps({"Records": list(records)}),
        }
    ).encode()


def of_stream(data: bytes, key: str) -> dict[str, Any]:
    kinesis = {
        "data": b64encode(data).decode(),
        "partitionKey": key,
        "approximateArrivalTimestamp": ARRIVAL.timestamp(),
    }
    return {"eventID": "shardId-0:1", "kinesis": kinesis}


def of_table(pk: str) -> dict[str, Any]:
    keys = {"pk": {"S": pk}, "sk": {"S": "EARNED#x"}}
    return {"eventID": "1", "dynamodb": {"Keys": keys, "NewImage": {**keys, "award": {"S": "{}"}}}}


def test_failed_batches_keep_the_records_of_others(world: World, erasing: Erasing, the_pass: Pass) -> None:
    row = {"eventID": "2", "dynamodb": {"Keys": {"user_id": {"S": ANN}, "content_id": {"S": "c"}}}}
    frame = of(ANN, "a1") + b"\n" + of(CHO, "c1")
    put(
        "aws/lambda/mixed",
        failed_batch(
            of_stream(of(ANN, "a1"), ANN),
            of_stream(of(BOB, "b1"), BOB),
            of_stream(frame, ANN),
            of_table(f"USER#{ANN}"),
            of_table(f"USER#{BOB}"),
            of_table("CATALOG"),
            row,
        ),
    )
    put("aws/lambda/only-ann", failed_batch(of_stream(of(ANN, "a1"), ANN)))
    untouched = failed_batch(of_stream(of(BOB, "b1"), BOB), of_table(f"USER#{ANN}-other"))
    put("aws/lambda/untouched", untouched)
    put("aws/lambda/foreign", b"no batch of ours")
    erasing.erase(ANN, NOW)
    run(the_pass)
    assert sorted(the_pass.objects.keys("aws/")) == [
        "aws/lambda/foreign",
        "aws/lambda/mixed",
        "aws/lambda/untouched",
    ]
    assert stored("aws/lambda/untouched") == untouched
    left = json.loads(json.loads(stored("aws/lambda/mixed"))["payload"])["Records"]
    assert [b64decode(r["kinesis"]["data"]) for r in left if "kinesis" in r] == [of(BOB, "b1"), of(CHO, "c1")]
    assert [r["dynamodb"]["Keys"]["pk"]["S"] for r in left if "dynamodb" in r] == [f"USER#{BOB}", "CATALOG"]
    assert ANN not in json.dumps(left)


def test_messages_that_another_reader_has_hidden_are_asked_for_again(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    refused(world, of(ANN, "a1"), 1)
    erasing.erase(ANN, NOW)
    aws.sqs().receive_message(QueueUrl=world.queue_url, VisibilityTimeout=1)
    with pytest.raises(MessagesAreHidden):
        the_pass.letters.erase(the_pass.erasures())


# -- the whole -------------------------------------------------------------------------------------


def test_no_byte_of_an_erased_learner_stays_but_the_tombstones_key(
    world: World, erasing: Erasing, the_pass: Pass, dead_letters: str
) -> None:
    payloads = [of(ANN, "a1"), of(BOB, "b1"), of(ANN, "a2", score=1000), of(CHO, "c1", content_id="no-such")]
    put(OBJECT, gzip.compress(b"".join(line(payload, n) for n, payload in enumerate(payloads))))
    put(
        "log/2026/03/03/frames",
        line(aggregate(payloads), 50) + line(gzip.compress(b"\n".join(payloads)), 51),
    )
    put("aws/lambda/x", failed_batch(*(of_stream(payload, ANN) for payload in payloads[:2])))
    world.projector().project([of_stream_event(payload, n) for n, payload in enumerate(payloads)])
    aws.sqs().send_message(QueueUrl=dead_letters, MessageBody=payloads[0].decode())
    erasing.erase(ANN, NOW)
    places = [ANN.encode() in content for _, content in every_byte(world)]
    assert sum(places) >= 4, "this test finds the learner where the pass must"
    run(the_pass)
    assert erasing.listed.find(ANN) is not None
    second = run(the_pass, NOW + timedelta(days=8))
    assert second.erasures == 1
    left = [
        place
        for place, content in every_byte(world, world.queue_url, dead_letters)
        if ANN.encode() in content
    ]
    assert left == [f"{VIEWS} {{'S': 'USER#{ANN}'}} {{'S': 'STATE'}}"]


def of_stream_event(payload: bytes, number: int) -> dict[str, Any]:
    kinesis = of_stream(payload, "x")["kinesis"]
    return {"eventID": f"shardId-0:{number}", "kinesis": {**kinesis, "sequenceNumber": str(number)}}


# -- passes and the list ---------------------------------------------------------------------------


def test_a_second_pass_reads_only_what_is_new_and_ends_the_erasure(
    world: World, erasing: Erasing, the_pass: Pass, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    put(OBJECT, line(of(BOB, "b1")))
    erasing.erase(ANN, now)
    assert run(the_pass, now).batches == 1
    [listed] = erasing.listed.all()
    assert listed.passed_at is not None
    later = now + timedelta(days=9)
    begun = run(the_pass, later)
    assert begun.batches == 1, "the object is younger than a day before the first pass"
    assert erasing.listed.all() == []
    erasing.erase(CHO, later)
    erasing.listed.change(
        erasing.listed.all()[0],
        erasing.listed.all()[0]._replace(passed_at=int((now + timedelta(days=2)).timestamp() * 1e6)),
    )
    assert run(the_pass, later).batches == 0


def test_an_erasure_that_is_older_than_the_stream_needs_one_pass(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    erasing.erase(ANN, NOW)
    run(the_pass, NOW + timedelta(days=8))
    assert erasing.listed.all() == []


def test_an_erasure_that_comes_during_a_pass_waits_for_the_next_one(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    erasing.erase(ANN, NOW - timedelta(days=20))
    begun = the_pass.begin(NOW)
    erasing.erase(BOB, NOW - timedelta(days=20))
    the_pass.end(begun.began_at, begun.manifest)
    [listed] = erasing.listed.all()
    assert (listed.user_id, listed.passed_at) == (BOB, None)


def test_without_erasures_a_pass_reads_nothing(world: World, the_pass: Pass) -> None:
    put(OBJECT, line(of(BOB, "b1")))
    begun = the_pass.begin(NOW)
    assert (begun.erasures, begun.batches) == (0, 0)
    assert list(the_pass.objects.keys("erasures/")) == []


def test_a_learner_who_started_again_keeps_what_came_later(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    start = ARRIVAL - timedelta(hours=12)
    before = {"occurred_at": "2026-03-01T23:00:00Z", "timezone": None}
    after = {"occurred_at": "2026-03-02T01:00:00Z", "timezone": None}
    kept = [line(of(ANN, "new", **after), 2), line(of(BOB, "b1", **before), 3)]
    put(OBJECT, line(of(ANN, "old", **before), 1) + b"".join(kept))
    erasing.erase(ANN, start - timedelta(days=1))
    erasing.restart(ANN, start)
    run(the_pass)
    assert lines_at(OBJECT) == kept


def test_the_last_line_before_the_cut_of_a_truncated_object_is_erased_too(
    world: World, erasing: Erasing, the_pass: Pass
) -> None:
    whole = line(of(BOB, "b1"), 1) + line(of(ANN, "a1"), 2)
    put(OBJECT, gzip.compress(whole.rstrip(b"\n"), mtime=0)[:-8])
    erasing.erase(ANN, NOW)
    run(the_pass)
    assert [line_of(text).user_id for text in lines_at(OBJECT)] == [BOB]
