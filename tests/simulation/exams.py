"""Generate results of exams as apps write them: new ones, other spellings and variants of them.

Nothing here runs code under test.
"""

from random import Random

from tests.simulation.interactions import (
    OFFSETS,
    ZONES,
    Fields,
    Setting,
    instant,
    interaction,
    moment,
    offset,
    say_or_omit,
    written,
    zone,
)


def is_exam(fields: Fields) -> bool:
    """Return whether a JSON object reports an exam."""
    return "passed" in fields


def exam(random: Random, event_id: str, user: str, setting: Setting) -> Fields:
    """Generate the result of an exam of a learner."""
    code, _ = random.choice(setting.offered)
    if random.random() < 0.05:
        code = "NEVER"
    at = instant(random, setting, zone(setting.homes[user] or random.choice(ZONES)))
    fields: Fields = {
        "event_id": event_id,
        "user_id": user,
        "certification_type": code,
        "occurred_at": written(random, at, offset(random.choice(OFFSETS))),
        "passed": random.random() < 0.5,
    }
    if random.random() < 0.6:
        hundredths = random.choice((0, 5_050, 10_000, random.randrange(10_001)))
        fields["score"] = hundredths // 100 if hundredths % 100 == 0 else hundredths / 100
    return fields


def respelled_exam(random: Random, fields: Fields) -> Fields:
    """Return a result in another spelling. Its offset says nothing: a result counts on no local day."""
    again = dict(fields)
    again["occurred_at"] = written(random, moment(fields["occurred_at"]), offset(random.choice(OFFSETS)))
    if fields.get("score") is None:
        say_or_omit(random, again, "score", (None,))
    elif isinstance(fields["score"], int) and random.random() < 0.3:
        again["score"] = float(fields["score"])
    # Neither of these counts for anything.
    say_or_omit(random, again, "timezone", (None, "Asia/Tokyo", 7))
    say_or_omit(random, again, "place", ("Helsinki",))
    return dict(random.sample(list(again.items()), len(again)))


def exam_variant(random: Random, fields: Fields, setting: Setting) -> Fields:
    """Return another result, or an interaction, with the same identity as this result."""
    if random.random() < 0.3:
        other = interaction(random, fields["event_id"], fields["user_id"], setting)
        return other | {"occurred_at": fields["occurred_at"]}
    score = random.choice((None, 0, 100, 72.5))
    return fields | {
        "passed": not fields["passed"] if random.random() < 0.7 else fields["passed"],
        "score": score,
    }


# Each of these changes makes a valid result invalid for good.
INVALID_EXAMS: tuple[Fields, ...] = (
    {"event_id": "no spaces, please"},
    {"user_id": "me"},
    {"certification_type": "no spaces"},
    {"certification_type": None},
    {"occurred_at": "2026-11-22T09:30:00"},
    {"occurred_at": "2031-01-01T00:00:00Z"},
    {"passed": "yes"},
    {"passed": 1},
    {"score": 100.01},
    {"score": "80"},
    {"content_id": "c1"},
)


def invalid_exam(random: Random, event_id: str, user: str, setting: Setting) -> Fields:
    """Return a result that the contract refuses."""
    an_hour_ago = setting._replace(span=3)
    return exam(random, event_id, user, an_hour_ago) | random.choice(INVALID_EXAMS)
