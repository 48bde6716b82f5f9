"""Reading logs as interactions, and the demo's generated log."""

import gzip
from collections import Counter
from datetime import date, datetime
from pathlib import Path

from cli.demo_log import LAST_DAY, demo_catalog, demo_log
from cli.logs import in_order_of_time, read_interactions, read_log
from domain.interaction import InvalidInteraction, parse

MOODLE = """user,timecreated,context,component,event_name
u1,2019-10-27 03:30:00,Course: Learning Analytics,System,Course viewed
u1,2019-10-27 03:30:00,Course: Learning Analytics,System,Course viewed
u2,2019-09-02 08:00:00,Quiz: Week 1,Quiz,Quiz attempt submitted
u2,2019-09-02 08:05:00,Quiz: Week 1,Quiz,Quiz attempt reviewed
u2,2019-09-02 08:06:00,Quiz: Week 1,Quiz,Course activity completion updated
u2,2019-09-02 08:07:00,Quiz: Week 1,Quiz,Badge listing edited
"""
STATISTICS = """learner,time,item,topic,outcome,duration_seconds
s1,2015-09-01 10:00:00,item-1,Mean,CORRECT,30
s1,2015-09-01 10:01:00,item-1,Mean,INCORRECT,20
s1,2015-09-01 10:02:00,item-2,Median,STUDY,10
s1,2015-09-01 10:03:00,item-2,Median,HINT,10
"""


def test_a_moodle_log_has_views_answers_and_completions(tmp_path: Path) -> None:
    path = tmp_path / "moodle.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(MOODLE)
    log = read_log(path, "moodle")
    assert log.rows == 6
    assert log.left_out == Counter({"Badge listing edited": 1})
    assert [(i["user_id"], i["content_id"], i["interaction_type"]) for i in log.interactions] == [
        ("u1", "course-learning-analytics", "viewed"),
        ("u1", "course-learning-analytics", "viewed"),
        ("u2", "quiz-week-1", "answered"),
        ("u2", "quiz-week-1", "viewed"),
        ("u2", "quiz-week-1", "completed"),
    ]
    assert {(row.content_id, row.category) for row in log.catalog} == {
        ("course-learning-analytics", "System"),
        ("quiz-week-1", "Quiz"),
    }
    # This hour occurred twice. The first time was still summer time.
    assert log.interactions[0]["occurred_at"] == "2019-10-27T03:30:00+03:00"


def test_equal_rows_get_different_ids_and_the_same_ones_at_each_import(tmp_path: Path) -> None:
    path = tmp_path / "moodle.csv"
    path.write_text(MOODLE)
    ids = [i["event_id"] for i in read_log(path, "moodle").interactions]
    assert len(set(ids)) == len(ids)
    assert [i["event_id"] for i in read_log(path, "moodle").interactions] == ids


def test_a_statistics_log_has_answers_and_views(tmp_path: Path) -> None:
    path = tmp_path / "statistics.csv"
    path.write_text(STATISTICS)
    log = read_log(path, "statistics")
    assert [(i["interaction_type"], i.get("score"), i["time_spent"]) for i in log.interactions] == [
        ("answered", 100, 30),
        ("answered", 0, 20),
        ("viewed", None, 10),
    ]
    assert log.left_out == Counter({"HINT": 1})
    assert {(row.content_id, row.category) for row in log.catalog} == {
        ("item-1", "Mean"),
        ("item-2", "Median"),
    }


def test_interactions_are_read_as_they_are_and_can_be_sorted_by_time(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"user_id": "u", "occurred_at": "2026-03-01T12:00:00Z"}\n\n'
        '{"user_id": "u", "occurred_at": "2026-03-01T12:00:00+02:00"}\n{"user_id": "u"}\n'
    )
    log = read_interactions(path)
    assert log.rows == 3
    assert [i.get("occurred_at", "none")[-6:] for i in in_order_of_time(log.interactions)] == [
        "none",
        "+02:00",
        "00:00Z",
    ]


def test_the_demo_generates_the_same_interactions_each_time_as_described() -> None:
    interactions = demo_log().interactions
    assert interactions == demo_log().interactions
    assert 4_500 < len(interactions) < 5_500
    assert len({i["user_id"] for i in interactions}) == 40
    known = {row.content_id for row in demo_catalog()}
    bad = unknown = 0
    ids: Counter[tuple[str, str]] = Counter()
    last = datetime.fromisoformat(f"{LAST_DAY}T23:59:59-12:00")
    for fields in interactions:
        try:
            parse(fields, last)
        except InvalidInteraction:
            bad += 1
        unknown += fields["content_id"] not in known
        ids[fields["user_id"], fields["event_id"]] += 1
    assert (bad, unknown) == (5, 1)
    repeated = sum(count - 1 for count in ids.values())
    assert 0.01 < repeated / len(interactions) < 0.03
    assert {row.certification_type for row in demo_catalog()} == {"SAA", "DVA", "CCP"}


def test_some_of_the_demos_interactions_arrive_late() -> None:
    interactions = demo_log().interactions
    days = [date.fromisoformat(i["occurred_at"][:10]) for i in interactions if i["event_id"][:4] != "demo"]
    late = sum(
        1 for n, day in enumerate(days) if n and (max(days[max(0, n - 200) : n], default=day) - day).days > 1
    )
    assert 20 < late < 500
