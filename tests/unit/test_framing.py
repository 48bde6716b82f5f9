"""Framed records: every framing gives the interactions in it, and nothing else than a refusal is raised."""

import json
import zlib
from base64 import b64decode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from functions import framing
from functions.framing import MAX_DECOMPRESSED_BYTES, MAX_INTERACTIONS, Part, UnreadableFrame, unframe
from tests.factory import make_interaction
from tests.frames import BYTE_ORDER_MARK, KPL_MAGIC, aggregate, compressed, field, sealed, varint

A, B, C = (json.dumps(make_interaction(event_id=name)).encode() for name in "abc")
PRETTY = json.dumps(
    make_interaction(event_id="p", additional_data={"of": [{"it": {}}, []]}), indent=2
).encode()

# Made by RecordAggregator of AWS's aws_kinesis_agg 1.2.3. The first record has an explicit hash key.
BY_AWS = b64decode(
    "84mawgoDYW5uCgNib2ISAzEyMxqFAQgAEAAaf3siZXZlbnRfaWQiOiJrLTAiLCJ1c2VyX2lkIjoiYW5uIiwiY29udGVudF9pZCI6InNh"
    "YS0xIiwiaW50ZXJhY3Rpb25fdHlwZSI6ImFuc3dlcmVkIiwib2NjdXJyZWRfYXQiOiIyMDI2LTAzLTAxVDA5OjAwOjAwKzAyOjAwIn0a"
    "gwEIARp/eyJldmVudF9pZCI6ImstMSIsInVzZXJfaWQiOiJib2IiLCJjb250ZW50X2lkIjoic2FhLTEiLCJpbnRlcmFjdGlvbl90eXBl"
    "IjoiYW5zd2VyZWQiLCJvY2N1cnJlZF9hdCI6IjIwMjYtMDMtMDFUMDk6MDA6MDArMDI6MDAifRqDAQgAGn97ImV2ZW50X2lkIjoiay0y"
    "IiwidXNlcl9pZCI6ImFubiIsImNvbnRlbnRfaWQiOiJzYWEtMSIsImludGVyYWN0aW9uX3R5cGUiOiJhbnN3ZXJlZCIsIm9jY3VycmVk"
    "X2F0IjoiMjAyNi0wMy0wMVQwOTowMDowMCswMjowMCJ9+ufdhLOd/d7BqT/9w+wr2A=="
)


def payloads(data: bytes) -> list[bytes]:
    """Return the payloads of the parts, all of which are readable."""
    parts = unframe(data)
    assert [part.fault for part in parts] == [None] * len(parts)
    return [part.payload for part in parts]


FRAMES: dict[str, tuple[bytes, list[bytes]]] = {
    "JSON lines": (A + b"\n" + B, [A, B]),
    "JSON lines with blank lines and CRLF": (b"\r\n" + A + b"\r\n\r\n  \r\n" + B + b"\r\n", [A, B]),
    "JSON lines with a byte order mark each": (
        b"\n".join([BYTE_ORDER_MARK + A, BYTE_ORDER_MARK + B]),
        [A, B],
    ),
    "JSON objects without a delimiter": (A + B, [A, B]),
    "JSON objects over several lines": (PRETTY + b"\n" + PRETTY, [PRETTY, PRETTY]),
    "a JSON array": (b"[" + A + b"," + B + b"]", [A, B]),
    "a JSON array over several lines": (b"[\n  " + A + b" ,\n  " + PRETTY + b"\n]\n", [A, PRETTY]),
    "a JSON array of one": (b"[" + A + b"]", [A]),
    "a JSON array with an empty one beside it": (b"[" + A + b"] []", [A]),
    "JSON arrays as lines": (b"[" + A + b"," + B + b"]\n[" + C + b"]", [A, B, C]),
    "an array with something else in it": (b'[1, "x", null, ' + A + b"]", [b"1", b'"x"', b"null", A]),
    "a byte order mark": (BYTE_ORDER_MARK + A, [A]),
    "a byte order mark before an array": (BYTE_ORDER_MARK + b"[" + A + b"]", [A]),
    "gzip": (compressed(A), [A]),
    "gzip of several members": (compressed(A + b"\n") + compressed(B), [A, B]),
    "gzip with padding": (compressed(A) + bytes(512), [A]),
    "gzip with a name and a comment": (
        b"\x1f\x8b\x08\x18" + bytes(6) + b"name\0comment\0" + compressed(A)[10:],
        [A],
    ),
    "gzip of JSON lines": (compressed(A + b"\n" + B), [A, B]),
    "gzip of gzip of an array": (compressed(compressed(b"[" + A + b"]")), [A]),
    "gzip of a byte order mark": (compressed(BYTE_ORDER_MARK + A), [A]),
    "an aggregate": (aggregate([A, B, C]), [A, B, C]),
    "an aggregate of one": (aggregate([A]), [A]),
    "an aggregate of JSON lines and an array": (aggregate([A + b"\n" + B, b"[" + C + b"]"]), [A, B, C]),
    "an aggregate of gzip": (aggregate([compressed(A + b"\n" + B), C]), [A, B, C]),
    "gzip of an aggregate": (compressed(aggregate([A, B])), [A, B]),
    "an aggregate of an aggregate": (aggregate([aggregate([A, B]), C]), [A, B, C]),
}


@pytest.mark.parametrize("frame", FRAMES)
def test_every_framing_gives_the_interactions_in_it(frame: str) -> None:
    data, expected = FRAMES[frame]
    assert payloads(data) == expected


def test_an_aggregate_of_awss_own_library_is_read() -> None:
    interactions = [json.loads(payload) for payload in payloads(BY_AWS)]
    assert [(fields["event_id"], fields["user_id"]) for fields in interactions] == [
        ("k-0", "ann"),
        ("k-1", "bob"),
        ("k-2", "ann"),
    ]


@pytest.mark.parametrize(
    "data",
    [A, PRETTY, b" \n" + A + b"\n", b"{}", b'{"score": NaN}', b'{"x": "\\ud800"}', b'{"x": "\xff"}'],
)
def test_one_json_object_is_not_framed(data: bytes) -> None:
    assert unframe(data) == ()


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "there is no JSON object in it"),
    "a number": (b"17", "there is no JSON object in it"),
    "no JSON": (b"hello", "not JSON: Expecting value at character 0"),
    "a truncated object": (A[:-1], "not JSON: "),
    "an object with something after it": (A + b" x", "not JSON: "),
    "a truncated object over several lines": (PRETTY[:-20], "not JSON: "),
    "no text": (bytes(range(256)), "not JSON: "),
    "UTF-16": (A.decode().encode("utf-16"), "not JSON: "),
    "an array of numbers": (b"[1, 2]", "JSON array: there is no JSON object in it"),
    "an empty array": (b"[]", "JSON array: there is no JSON object in it"),
    "a truncated array": (b"[" + A + b",", "JSON array: not JSON: "),
    "a truncated array over several lines": (b"[\n" + A + b",\n" + B + b"\n", "JSON array: not JSON: "),
    "an array without commas": (b"[" + A + B + b"]", "JSON array: not JSON: expected ',' or ']'"),
    "an array with something after it": (b"[" + A + b"] x", "JSON array: not JSON: "),
    "an array nested too deeply": (b"[" * 100_000, "JSON array: not JSON: it is nested too deeply"),
    "an object nested too deeply": (b'{"x":' * 100_000, "not JSON: it is nested too deeply"),
    "an empty gzip": (compressed(b""), "gzip: there is no JSON object in it"),
    "a gzip of no JSON": (compressed(b"hello"), "gzip: not JSON: "),
    "a gzip of a truncated array": (compressed(b"[" + A), "gzip: JSON array: not JSON: "),
    "a truncated gzip": (compressed(A)[:-1], "gzip: it is truncated"),
    "a gzip header alone": (compressed(A)[:10], "gzip: it is truncated"),
    "a gzip with a wrong checksum": (compressed(A)[:-8] + bytes(8), "gzip: Error -3 "),
    "a gzip with something after it": (
        compressed(A) + b"x",
        "gzip: it is truncated, or something follows it",
    ),
    "five gzips inside each other": (
        compressed(compressed(compressed(compressed(compressed(A))))),
        "gzip: gzip: gzip: gzip: gzip: more than 4 frames inside each other",
    ),
    "an aggregate with a wrong checksum": (aggregate([A])[:-1] + b"x", "KPL aggregate: it is truncated, or "),
    "a truncated aggregate": (aggregate([A])[:-20], "KPL aggregate: it is truncated, or "),
    "its magic number alone": (KPL_MAGIC, "KPL aggregate: it is truncated, or "),
    "an aggregate without a record": (aggregate([]), "KPL aggregate: there is no record in it"),
    "an aggregate whose record has no data": (
        sealed(field(1, b"key") + field(3, field(1, 0))),
        "KPL aggregate: a record in it has no data",
    ),
    "an aggregate with a record that is too short": (
        sealed(varint(3 << 3 | 2) + varint(100) + b"x"),
        "KPL aggregate: its Protocol Buffers message is truncated",
    ),
    "an aggregate with a number that never ends": (
        sealed(b"\xff" * 20),
        "KPL aggregate: its Protocol Buffers message is truncated",
    ),
    "an aggregate with an unknown wire type": (
        sealed(b"\x0b"),
        "KPL aggregate: its Protocol Buffers message has a field of the unknown type 3",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_can_not_be_read_is_refused_as_a_whole_with_its_framing(case: str) -> None:
    data, reason = UNREADABLE[case]
    with pytest.raises(UnreadableFrame) as refusal:
        unframe(data)
    assert str(refusal.value).startswith(reason)


def test_fields_of_an_aggregate_that_this_release_does_not_know_are_skipped() -> None:
    unknown = field(9, 5) + varint(10 << 3 | 1) + bytes(8) + varint(11 << 3 | 5) + bytes(4) + field(12, b"x")
    tag = field(4, field(1, b"name") + field(2, b"value"))
    record = field(3, unknown + field(1, 0) + field(2, 0) + field(3, A) + tag)
    assert payloads(sealed(unknown + field(1, b"key") + field(2, b"17") + record + unknown)) == [A]


INSIDE: dict[str, tuple[bytes, list[tuple[bytes, str | None]]]] = {
    "a line that is no JSON": (
        A + b"\nhello\n" + B,
        [(A, None), (b"hello", "JSON lines: not JSON: "), (B, None)],
    ),
    "the first line": (b"hello\n" + A, [(b"hello", "JSON lines: not JSON: "), (A, None)]),
    "a truncated last line": (A + b"\n" + B[:-1], [(A, None), (B[:-1], "JSON lines: not JSON: ")]),
    "a line with a number": (A + b"\n17", [(A, None), (b"17", None)]),
    "a line that is not UTF-8": (
        A + b'\n{"x": "\xff"}\n\xff',
        [(A, None), (b'{"x": "\xff"}', None), (b"\xff", "")],
    ),
    "an array that is a broken line": (
        A + b"\n[" + B + b"\n",
        [(A, None), (b"[" + B, "JSON lines: not JSON: ")],
    ),
    "a record of an aggregate that is no JSON": (
        aggregate([A, b"hello", b""]),
        [
            (A, None),
            (b"hello", "KPL aggregate: not JSON: "),
            (b"", "KPL aggregate: there is no JSON object in it"),
        ],
    ),
    "a broken gzip in an aggregate": (
        aggregate([compressed(A)[:-1], B]),
        [(compressed(A)[:-1], "KPL aggregate: gzip: it is truncated"), (B, None)],
    ),
    "a broken aggregate in an aggregate": (
        aggregate([A, KPL_MAGIC]),
        [(A, None), (KPL_MAGIC, "KPL aggregate: KPL aggregate: it is truncated")],
    ),
}


@pytest.mark.parametrize("case", INSIDE)
def test_what_can_not_be_read_inside_a_frame_is_one_part_of_it(case: str) -> None:
    data, expected = INSIDE[case]
    parts = unframe(data)
    assert [part.payload for part in parts] == [payload for payload, _ in expected]
    for part, (_, fault) in zip(parts, expected, strict=True):
        assert (part.fault is None) == (fault is None)
        assert str(part.fault).startswith(str(fault) if fault is not None else "None")


# -- limits ----------------------------------------------------------------------------------------


def framed_in_every_way(count: int) -> dict[str, bytes]:
    some = [b"{}"] * count
    return {
        "JSON lines": b"\n".join(some),
        "JSON array": b"[" + b",".join(some) + b"]",
        "KPL aggregate": aggregate(some),
        "gzip": compressed(b"\n".join(some)),
    }


@pytest.mark.parametrize("frame", framed_in_every_way(0))
def test_a_record_has_at_most_5000_interactions(frame: str) -> None:
    assert len(unframe(framed_in_every_way(MAX_INTERACTIONS)[frame])) == MAX_INTERACTIONS == 5000
    with pytest.raises(UnreadableFrame) as refusal:
        unframe(framed_in_every_way(MAX_INTERACTIONS + 1)[frame])
    assert str(refusal.value) == f"{frame}: it has more than 5,000 interactions"


@pytest.mark.parametrize("last", [b"{}", b"x", compressed(b"{}"), KPL_MAGIC])
def test_the_limit_counts_the_parts_of_all_frames_together(last: bytes) -> None:
    half = b"\n".join([b"{}"] * 2500)
    assert len(unframe(aggregate([half, half[3:], last]))) == 5000
    with pytest.raises(UnreadableFrame, match=r"^KPL aggregate: it has more than 5,000 interactions$"):
        unframe(aggregate([half, half, last]))


def test_lines_that_can_not_be_read_count_too() -> None:
    assert len(unframe(A + b"\nx" * 4999)) == 5000
    with pytest.raises(UnreadableFrame, match=r"^JSON lines: it has more than 5,000 interactions$"):
        unframe(A + b"\nx" * 5000)
    with pytest.raises(UnreadableFrame, match=r"^not JSON: "):
        unframe(b"x\n" * 10_000)


@pytest.mark.parametrize("members", [1, 3])
def test_at_most_10_mb_are_decompressed(members: int, monkeypatch: pytest.MonkeyPatch) -> None:
    decompressed = 0

    class Counting:
        """A decompressor that counts its output."""

        def __init__(self, wbits: int) -> None:
            self.one = zlib.decompressobj(wbits)

        def decompress(self, data: bytes, limit: int) -> bytes:
            nonlocal decompressed
            piece = self.one.decompress(data, limit)
            decompressed += len(piece)
            return piece

        def __getattr__(self, name: str) -> Any:
            return getattr(self.one, name)

    class Zlib:
        error = zlib.error
        decompressobj = Counting

    monkeypatch.setattr(framing, "zlib", Zlib)
    size = (MAX_DECOMPRESSED_BYTES - len(A)) // members
    fits = compressed(b" " * size) * members
    assert payloads(fits + compressed(A)) == [A]
    assert decompressed == size * members + len(A) <= MAX_DECOMPRESSED_BYTES
    decompressed = 0
    with pytest.raises(UnreadableFrame, match=r"^gzip: it has more than 10,485,760 bytes when decompressed$"):
        unframe(compressed(A) + fits + compressed(b" " * 50_000_000))
    assert decompressed == MAX_DECOMPRESSED_BYTES + 1


def test_all_gzip_frames_of_a_record_share_one_limit() -> None:
    large = compressed(b" " * (MAX_DECOMPRESSED_BYTES // 2) + A)
    assert payloads(aggregate([large])) == [A]
    with pytest.raises(UnreadableFrame, match=r"^KPL aggregate: it has more than 10,485,760 bytes"):
        unframe(aggregate([large, large]))


# -- properties ------------------------------------------------------------------------------------

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, min_size=1, max_size=4)


@st.composite
def written(draw: st.DrawFn, fields: dict[str, Any]) -> bytes:
    """Return an object as some producer writes it."""
    return json.dumps(
        fields,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, None, 0, 2])),
        separators=draw(st.sampled_from([None, (",", ":"), (" , ", " : ")])),
    ).encode()


@st.composite
def texts_of(draw: st.DrawFn, interactions: list[dict[str, Any]]) -> bytes:
    """Return a JSON text with these interactions, in a row or in arrays."""
    blank = draw(st.sampled_from([b"", b" ", b"\n", b"\r\n"]))
    pieces: list[bytes] = []
    left = list(interactions)
    while left:
        count = draw(st.integers(1, len(left)))
        some = [draw(written(fields)) for fields in left[:count]]
        del left[:count]
        if draw(st.booleans()):
            pieces.append(b"[" + blank + (blank + b"," + blank).join(some) + blank + b"]")
        else:
            pieces.append(blank.join(some))
    text = draw(st.sampled_from([b"", b"\n", b"\r\n"])).join(pieces)
    return draw(st.sampled_from([b"", BYTE_ORDER_MARK])) + blank + text + blank


@st.composite
def framed(draw: st.DrawFn, interactions: list[dict[str, Any]], level: int = 0) -> bytes:
    """Return a record with these interactions, framed in some way."""
    frame = draw(st.sampled_from(["text", "gzip", "aggregate"])) if level < 3 else "text"
    if frame == "text":
        return draw(texts_of(interactions))
    if frame == "gzip":
        whole = draw(framed(interactions, level + 1))
        cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=2)))
        ends = zip([0, *cuts], [*cuts, len(whole)], strict=True)
        return b"".join(compressed(whole[start:end]) for start, end in ends)
    cuts = sorted(
        draw(st.sets(st.integers(1, len(interactions) - 1), max_size=3)) if len(interactions) > 1 else []
    )
    ends = zip([0, *cuts], [*cuts, len(interactions)], strict=True)
    return aggregate([draw(framed(interactions[start:end], level + 1)) for start, end in ends])


@patient
@given(st.data(), st.lists(objects, min_size=1, max_size=8))
def test_any_split_of_interactions_into_frames_gives_the_same_interactions(
    data: st.DataObject, interactions: list[dict[str, Any]]
) -> None:
    record = data.draw(framed(interactions))
    parts = unframe(record) or (Part(record),)
    assert [part.fault for part in parts] == [None] * len(interactions)
    assert [json.loads(part.payload) for part in parts] == interactions


fragments = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b"\n",
        b" ",
        b'"',
        b"{}",
        b"[{}]",
        A,
        BYTE_ORDER_MARK,
        b"\xff",
        b"1e999",
        b"\\u",
    ]
)
texts_or_not = st.lists(fragments | st.binary(max_size=6), max_size=20).map(b"".join)
bodies = texts_or_not | st.binary(max_size=200)


@patient
@given(
    bodies
    | bodies.map(lambda body: b"\x1f\x8b\x08" + body)
    | bodies.map(compressed)
    | bodies.map(lambda body: KPL_MAGIC + body)
    | bodies.map(sealed)
    | st.lists(bodies, max_size=4).map(aggregate)
    | st.lists(bodies, max_size=4).map(aggregate).map(compressed)
)
@example(b"[" * 2000)
@example(b'[{"a":1}' + b"\n" * 3000)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(UnreadableFrame):
        assert len(unframe(data)) <= MAX_INTERACTIONS


@patient
@given(st.lists(objects, min_size=1, max_size=4), st.data())
def test_a_damaged_frame_never_gives_an_interaction_that_was_not_in_it(
    interactions: list[dict[str, Any]], data: st.DataObject
) -> None:
    whole = data.draw(st.sampled_from([aggregate, lambda some: compressed(b"\n".join(some))]))
    record = bytearray(whole([json.dumps(fields).encode() for fields in interactions]))
    record[data.draw(st.integers(4, len(record) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        parts = unframe(bytes(record))
    except UnreadableFrame:
        return
    assert [json.loads(part.payload) for part in parts] == interactions, "a header that does not matter"
