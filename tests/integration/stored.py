"""Items as earlier releases stored them, and the interactions that lead to them."""

from functions.items import Item
from tests.integration.conftest import interaction


def numbers(text: str) -> Item:
    """Return lists of numbers as they are stored: half a byte for each character."""
    half_bytes = text.translate(str.maketrans(",;-", "abc"))
    return {"B": bytes.fromhex(half_bytes + "f" * (len(half_bytes) % 2))}


STORED: list[Item] = [
    {
        "pk": {"S": "USER#ann"},
        "sk": {"S": "STATE"},
        "version": {"N": "1"},
        "format": {"N": "2"},
        "named_zone": {"S": '[1772348400000000,"Europe/Helsinki"]'},
        "calendar_first": {"N": "9556"},
        "calendar": {"B": b"\x03"},
        "earned": {"S": '["SAA:first","SAA:mastered:compute"]'},
        "tracks": {
            "M": {
                "SAA": {
                    "M": {
                        "viewed": {"B": b"\x00\x02"},
                        "answered": {"B": b"\x00\x01"},
                        "completed": {"B": b"\x00\x04"},
                        "scored": {"B": b"\x00\x05"},
                        "best": {"B": b"\x00\x1f@$\x22"},
                        "first": {"B": b"\x02\x02\xc4\xf6\x8a\x0e\xd3\x0c\x01\x00\x1f@$\x22"},
                        "mastered": {"M": {"SAA:mastered:compute": {"B": b"\x00\x04"}}},
                        "names": {"S": '[["Compute","Storage"],["advanced","beginner"]]'},
                        "sums": numbers(
                            "1,2,1,2;0,1,1,0;0,1,0,1;1,0,0,1;60,120,60,120;1,1,0,2;9250,8000,0,17250"
                        ),
                    }
                }
            }
        },
        "latest": {
            "M": {
                "day": {"N": "9557"},
                # The first two lists are positions among the names of the track.
                "tallies": {"M": {"SAA": numbers("0;1;1,1;;;-1;60,60;-1;9250,9250")}},
            }
        },
        "applied": {"M": {"day": {"N": "9557"}, "digests": {"B": b">#\xe8\x16\x009YJ"}}},
    },
    {
        "pk": {"S": "USER#ann"},
        "sk": {"S": "DAY#2026-03-01"},
        "tallies": {
            "M": {
                "SAA": {
                    "M": {
                        "names": {"S": '[["Storage"],["advanced","beginner"]]'},
                        "sums": numbers("2,1,1;1,1,0;1,0,1;;120,60,60;-3;8000,0,8000"),
                    }
                }
            }
        },
    },
    {
        "pk": {"S": "USER#ann"},
        "sk": {"S": "EARNED#SAA:first"},
        "award": {
            "S": '{"achievement_id":"SAA:first","achievement_type":"certification","badge_icon":"🌱",'
            '"certification_type":"SAA","description":"Complete a first content of SAA",'
            '"earned_at":1772445600000000,"points":20,"title":"SAA: First Step"}'
        },
    },
    {
        "pk": {"S": "USER#ann"},
        "sk": {"S": "EARNED#SAA:mastered:compute"},
        "award": {
            "S": '{"achievement_id":"SAA:mastered:compute","achievement_type":"category","badge_icon":"🎓",'
            '"certification_type":"SAA","description":"Complete all of Compute in SAA, 85 % on average",'
            '"earned_at":1772445600000000,"points":300,"title":"Compute Mastered"}'
        },
    },
    {
        "pk": {"S": "CATALOG"},
        "sk": {"S": "HEAD"},
        "version": {"N": "2"},
        "certifications": {"S": '{"DVA":[1],"SAA":[1]}'},
        "newest": {"N": "1700000000000001"},
    },
    {
        "pk": {"S": "CATALOG"},
        "sk": {"S": "CERT#DVA#000000"},
        "version": {"N": "1"},
        "contents": {"S": '[["dva-1","Deployment","intermediate",true,1700000000000000,1,null]]'},
    },
    {
        "pk": {"S": "CATALOG"},
        "sk": {"S": "CERT#SAA#000000"},
        "version": {"N": "1"},
        "contents": {
            "S": '[["saa-1","Storage","beginner",true,1700000000000001,1,null],'
            '["saa-2","Storage","advanced",true,1700000000000001,1,null],'
            '["saa-3","Compute","beginner",true,1700000000000001,1,null]]'
        },
    },
    {
        "pk": {"S": "USER#ann"},
        "sk": {"S": "APPLIED#2026-03-01"},
        "digests": {"B": b".},\x03\xa9Pz\xe2\xca\x97\x81\x12\xca\x1b\xbd\xca"},
    },
]
"""The views table after STUDY, as every release so far has stored it. A change of these is a migration."""

STUDY = [
    interaction("a"),
    interaction(
        "b",
        content_id="saa-3",
        interaction_type="completed",
        score=92.5,
        occurred_at="2026-03-02T10:00:00Z",
        timezone=None,
    ),
    interaction("c", content_id="saa-2", interaction_type="viewed", score=None),
]
"""Three interactions of a learner, on two days."""
