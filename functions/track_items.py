"""The part of a state's item that holds what a learner did towards one certification, and back."""

from domain.content_set import ContentSet, pack_scores, unpack_scores
from domain.first_answers import ANSWER_BYTES, pack_answers, unpack_answers
from domain.learner import Track
from functions.breakdowns import Attributes, breakdown_fields, breakdown_of

_KNOWN_OF_TRACK = frozenset(
    {"names", "sums", "viewed", "answered", "completed", "scored", "best", "first_of", "first", "mastered"}
)


def track_fields(track: Track) -> Attributes:
    """Return the attributes of a track in a state's item."""
    packed = {
        "viewed": track.viewed.to_bytes(),
        "answered": track.answered.to_bytes(),
        "completed": track.completed.to_bytes(),
        # Most platforms score exactly what is answered. Then the set is not stored again.
        "scored": b"" if track.scored == track.answered else track.scored.to_bytes(),
        "best": pack_scores(track.best),
        "first_of": b"" if track.first_of == track.scored else track.first_of.to_bytes(),
        "first": pack_answers(track.first),
    }
    return {
        **track.unknown,
        **breakdown_fields(track.tallies),
        **{name: {"B": data} for name, data in packed.items() if data},
        **_mastered_fields(track),
    }


def _mastered_fields(track: Track) -> Attributes:
    if not track.mastered:
        return {}
    covered = {name: {"B": contents.to_bytes()} for name, contents in track.mastered.items()}
    return {"mastered": {"M": covered}}


def track_of(attributes: Attributes) -> Track:
    """Return the track with these attributes. Raise an error if they can't be decoded."""
    answered = _contents(attributes, "answered")
    scored = _contents(attributes, "scored")
    if "best" in attributes and "scored" not in attributes:
        scored = answered
    mastered = attributes["mastered"]["M"] if "mastered" in attributes else {}
    first_of, first = _first_answers(attributes, scored)
    return Track(
        tallies=breakdown_of(attributes),
        viewed=_contents(attributes, "viewed"),
        answered=answered,
        completed=_contents(attributes, "completed"),
        scored=scored,
        best=unpack_scores(_bytes(attributes, "best"), len(scored)),
        first_of=first_of,
        first=first,
        mastered={name: ContentSet.from_bytes(bytes(contents["B"])) for name, contents in mastered.items()},
        unknown={name: value for name, value in attributes.items() if name not in _KNOWN_OF_TRACK},
    )


def _first_answers(attributes: Attributes, scored: ContentSet) -> tuple[ContentSet, bytes]:
    first_of = _contents(attributes, "first_of") if "first_of" in attributes else scored
    first = unpack_answers(_bytes(attributes, "first"), len(first_of))
    if len(first) == ANSWER_BYTES * len(first_of):
        return first_of, first
    if "first_of" in attributes:
        raise ValueError(f"{len(first)} bytes are not the first answers to {len(first_of)} contents")
    # A release that does not know first answers has scored further contents. Nobody can tell which ones.
    return ContentSet(), b""


def _contents(attributes: Attributes, name: str) -> ContentSet:
    return ContentSet.from_bytes(_bytes(attributes, name))


def _bytes(attributes: Attributes, name: str) -> bytes:
    return bytes(attributes[name]["B"]) if name in attributes else b""
