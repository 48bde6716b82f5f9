"""Bad files: what each answers, and that no fault ends in a traceback."""

import gzip
import json
from pathlib import Path

import click
import pytest

from cli.logs import Format, read_log
from cli.mapping import MAPPINGS, read_mapping, slug

STATISTICS = "learner,time,item,topic,outcome,duration_seconds\n"
ROW = "s1,2015-09-01 10:00:00,item-1,Mean,CORRECT,30\n"
MOODLE = "user,timecreated,context,component,event_name\n"
GOOD = '{"event_id": "e1", "user_id": "u", "content_id": "c"}\n'

BAD: dict[str, tuple[Format, bytes, str]] = {
    "an empty CSV file": ("statistics", b"", ":1: there is no header; it must have the columns learner"),
    "a CSV file without a header": ("statistics", ROW.encode(), ":1: column learner is missing"),
    "another file's header": ("moodle", (STATISTICS + ROW).encode(), ":1: column user is missing"),
    "a column that is missing": ("moodle", b"user,timecreated\nu,1\n", ":1: column context is missing"),
    "a column that occurs twice": (
        "moodle",
        MOODLE.replace("component", "user").encode(),
        ":1: column component is missing",
    ),
    "a header that has a column twice": (
        "statistics",
        (STATISTICS.replace("\n", ",item\n")).encode(),
        ":1: column item occurs 2 times",
    ),
    "another separator": ("statistics", (STATISTICS + ROW).replace(",", ";").encode(), ":1: column learner"),
    "too few cells": ("statistics", (STATISTICS + ROW + "s1,2015\n").encode(), ":3: the row has 2 cells"),
    "too many cells": ("statistics", (STATISTICS + ROW[:-1] + ",x\n").encode(), ":2: the row has 7 cells"),
    "a time that is none": (
        "statistics",
        (STATISTICS + ROW.replace("2015-09-01 10:00:00", "noon")).encode(),
        ":2: time: 'noon' is no time such as 2019-10-27 03:30:00",
    ),
    "a date that does not exist": (
        "statistics",
        (STATISTICS + ROW.replace("09-01", "02-30")).encode(),
        ":2: time: '2015-02-30 10:00:00' is no time",
    ),
    "an empty time": (
        "statistics",
        (STATISTICS + ROW.replace("2015-09-01 10:00:00", "")).encode(),
        ":2: time: ''",
    ),
    "a duration in words": (
        "statistics",
        (STATISTICS + ROW.replace(",30", ",thirty")).encode(),
        ":2: duration_seconds: 'thirty' is no number",
    ),
    "a negative duration": (
        "statistics",
        (STATISTICS + ROW.replace(",30", ",-30")).encode(),
        ":2: duration_seconds: -30 is not between 0 and 86,400",
    ),
    "a duration of infinity": (
        "statistics",
        (STATISTICS + ROW.replace(",30", ",inf")).encode(),
        ":2: duration_seconds: inf is not between",
    ),
    "a duration that is not a number": (
        "statistics",
        (STATISTICS + ROW.replace(",30", ",nan")).encode(),
        ":2: duration_seconds: nan is not between",
    ),
    "no learner": ("statistics", (STATISTICS + ROW.replace("s1", "")).encode(), ":2: learner: is empty"),
    "no item": ("statistics", (STATISTICS + ROW.replace("item-1", " ")).encode(), ":2: item: is empty"),
    "a quote that is not closed": ("statistics", (STATISTICS + '"s1,2015').encode(), "it is no CSV"),
    "a quote inside a cell": ("statistics", (STATISTICS + '"s"1,2\n').encode(), "it is no CSV"),
    "Latin-1": (
        "statistics",
        (STATISTICS + ROW.replace("Mean", "Mé")).encode("latin-1"),
        ":2: byte 32 of the line",
    ),
    "UTF-16": ("statistics", (STATISTICS + ROW).encode("utf-16"), ":1: it is UTF-16, and must be UTF-8"),
    "a compressed file that is cut off": (
        "statistics",
        gzip.compress((STATISTICS + ROW).encode())[:-9],
        "damaged",
    ),
    "damaged compression": ("statistics", b"\x1f\x8b" + b"x" * 50, "the compressed file is damaged"),
    "no JSON": ("interactions", GOOD.encode() + b"{oops\n", ":2: it is not JSON"),
    "JSON that is cut off": ("interactions", GOOD.encode() + b'{"event', ":2: it is not JSON"),
    "a JSON array": ("interactions", b"[1]\n", ":1: it is not a JSON object"),
    "a JSON number": ("interactions", b"7\n", ":1: it is not a JSON object"),
    "very deep JSON": ("interactions", b"[" * 100_000, ":1: it is not JSON"),
    "no learner in JSON": ("interactions", b'{"event_id": "e1"}\n', ":1: user_id: is missing"),
    "a learner of null": (
        "interactions",
        b'{"user_id": null}\n',
        ":1: user_id: is missing",
    ),
    "a learner of seven": (
        "interactions",
        b'{"user_id": 7}\n',
        ":1: user_id: is missing",
    ),
    "CSV instead of JSON": ("interactions", (STATISTICS + ROW).encode(), ":1: it is not JSON"),
    "a binary file": ("interactions", bytes(range(128, 256)), ":1: byte 1 of the line is not UTF-8"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_ends_in_a_message_with_line_and_column(tmp_path: Path, name: str) -> None:
    log_format, data, message = BAD[name]
    path = tmp_path / "log"
    path.write_bytes(data)
    with pytest.raises(click.ClickException) as raised:
        read_log(path, log_format)
    assert raised.value.message.startswith(str(path))
    assert message in raised.value.message


def test_bad_rows_can_be_left_out_and_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(STATISTICS + ROW + ROW.replace(",30", ",x") + "s1\n" + ROW.replace("s1", "s2"), "utf-8")
    log = read_log(path, "statistics", skip_bad=True)
    assert [fields["user_id"] for fields in log.interactions] == ["s1", "s2"]
    assert [(fault.line, fault.column) for fault in log.faults] == [(3, "duration_seconds"), (4, None)]


def test_many_faults_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("{}\n" * 50, "utf-8")
    with pytest.raises(click.ClickException) as raised:
        read_log(path, "interactions")
    lines = raised.value.message.splitlines()
    assert lines[-2] == f"… and 30 more rows of {path}"
    assert lines[-1] == "Nothing was done. Use --skip-bad to leave these rows out."


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_is_read_whatever_its_marks_line_ends_and_name(
    tmp_path: Path, ending: str, mark: bytes, compressed: bool
) -> None:
    data = mark + (STATISTICS + ROW).replace("\n", ending).encode()
    path = tmp_path / "log.txt"
    path.write_bytes(gzip.compress(data) if compressed else data)
    [fields] = read_log(path, "statistics").interactions
    assert (fields["user_id"], fields["score"], fields["time_spent"]) == ("s1", 100, 30)


def test_any_csv_file_is_read_by_a_mapping(tmp_path: Path) -> None:
    mapping = tmp_path / "map.toml"
    mapping.write_text(
        'certification_type = "SAA"\nseparator = ";"\ntime_format = "%d.%m.%Y %H:%M %z"\nuser_id = "who"\n'
        'occurred_at = "when"\ncontent_id = "what"\ncontent_id_is_text = true\nscore = "points"\n'
        'event_id = "id"\ninteraction_type = "answered"\ndifficulty_level = "level"\n',
        "utf-8",
    )
    path = tmp_path / "log.csv"
    path.write_text(
        "id;who;when;what;points;level\n"
        "1;ann;01.03.2026 09:00 +0200;Intro to C++;87.5;advanced\n"
        "2;ann;01.03.2026 09:05 +0200;Intro to C#;;\n",
        "utf-8",
    )
    log = read_log(path, "csv", mapping)
    first, second = log.interactions
    assert first == {
        "event_id": "1",
        "user_id": "ann",
        "content_id": slug("Intro to C++"),
        "interaction_type": "answered",
        "occurred_at": "2026-03-01T09:00:00+02:00",
        "score": 87.5,
    }
    assert "score" not in second
    assert {row.content_id: row.difficulty_level for row in log.catalog} == {
        slug("Intro to C++"): "advanced",
        slug("Intro to C#"): None,
    }


def test_moodles_own_export_is_read_by_its_mapping(tmp_path: Path) -> None:
    path = tmp_path / "logs.csv"
    header = (
        "Time,User full name,Affected user,Event context,Component,Event name,Description,Origin,IP address"
    )
    viewed = '"27/10/19, 08:30",A B,-,"Quiz: Week 1, part 2",Quiz,Course module viewed,'
    described = "\"The user with id '17' viewed the 'quiz' activity.\",web,10.0.0.1"
    nobody = '"27/10/19, 08:31",-,-,Course: X,System,Course viewed,Somebody viewed it.,cli,'
    path.write_text("\n".join([header, viewed + described, nobody, ""]), "utf-8")
    log = read_log(path, "csv", MAPPINGS / "moodle_export.toml", skip_bad=True)
    [fields] = log.interactions
    assert fields["user_id"] == "17"
    assert fields["content_id"] == "quiz-week-1-part-2"
    assert fields["occurred_at"] == "2019-10-27T08:30:00+02:00"
    assert [(row.content_id, row.title) for row in log.catalog] == [
        ("quiz-week-1-part-2", "Quiz: Week 1, part 2")
    ]
    assert [(fault.column, fault.message) for fault in log.faults] == [("Description", "names no learner")]


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_mapping_that_comes_with_the_command_is_valid(path: Path) -> None:
    assert read_mapping(path).columns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "is no TOML"),
        ('user_id = "a"', "certification_type: Field required"),
        ('certification_type = "SAA"\nzone = "Mars/Olympus"\n', "zone: Value error, is no IANA time zone"),
        ('certification_type = "SAA"\ncolour = "red"\n', "colour: Extra inputs are not permitted"),
        (
            'certification_type = "SAA"\nuser_id = "a"\noccurred_at = "b"\ncontent_id = "c"\n',
            "it needs either interaction_type, or kind and kinds",
        ),
    ],
)
def test_a_bad_mapping_ends_in_a_message(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "map.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(click.ClickException, match=r"map\.toml") as raised:
        read_mapping(path)
    assert message in raised.value.message


def test_only_csv_takes_a_mapping_and_it_needs_one(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"user_id": "u"}), "utf-8")
    with pytest.raises(click.ClickException, match="for --format csv only"):
        read_log(path, "interactions", path)
    with pytest.raises(click.ClickException, match="needs --map FILE"):
        read_log(path, "csv")


def test_ids_made_of_texts_stay_apart_and_are_valid() -> None:
    texts = [
        "Intro to C",
        "Intro to C++",
        "Intro to C#",
        "Введение",
        "Введение 2",
        "x" * 300,
        "x" * 301,
        "+",
        "#",
    ]
    ids = [slug(text) for text in texts]
    assert len(set(ids)) == len(texts)
    assert all(0 < len(found) <= 128 and found.isascii() and found[0].isalnum() for found in ids)
    assert slug("Course: Learning Analytics") == "course-learning-analytics"
