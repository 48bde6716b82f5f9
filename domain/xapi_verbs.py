"""Which verbs of xAPI statements are interactions, and of which kind: the rules, as data.

The verbs are those of ADL's vocabulary, and those that cmi5, Moodle's Logstore xAPI plug-in, Open edX's
event-routing-backends, H5P and TRAX send.
"""

from typing import Final, NamedTuple

from domain.interaction import Kind


class VerbRule(NamedTuple):
    """What a statement with a verb becomes."""

    kind: Kind
    is_raised: bool = False
    """Whether the result decides, too: a completion makes it `completed`, and a judged view is an answer."""
    is_about_a_question: bool = False
    """Whether a success without a score means a score of 100, and a failure one of 0."""
    has_result: bool = True
    """Whether the statement's score is one: not a share of progress, nor a score that was reported before."""
    needs_score: bool = False


VIEW = VerbRule("viewed", is_raised=True)
PROGRESS = VerbRule("viewed", is_raised=True, has_result=False)
END_OF_VIEW = VerbRule("viewed", has_result=False)
ANSWER = VerbRule("answered", is_about_a_question=True)
JUDGEMENT = VerbRule("answered", is_raised=True)
SCORE = VerbRule("answered", is_raised=True, needs_score=True)
SUBMISSION = VerbRule("answered")
COMPLETION = VerbRule("completed")

VERBS: Final[dict[str, VerbRule]] = {
    # ADL's vocabulary, in both of its namespaces.
    "adlnet.gov/expapi/verbs/experienced": VIEW,
    "adlnet.gov/expapi/verbs/launched": VIEW,
    "adlnet.gov/expapi/verbs/attempted": VIEW,
    "adlnet.gov/expapi/verbs/progressed": PROGRESS,
    "adlnet.gov/expapi/verbs/terminated": END_OF_VIEW,
    "adlnet.gov/expapi/verbs/exited": END_OF_VIEW,
    "adlnet.gov/expapi/verbs/answered": ANSWER,
    "adlnet.gov/expapi/verbs/passed": JUDGEMENT,
    "adlnet.gov/expapi/verbs/failed": JUDGEMENT,
    "adlnet.gov/expapi/verbs/scored": SCORE,
    "adlnet.gov/expapi/verbs/completed": COMPLETION,
    "adlnet.gov/expapi/verbs/mastered": COMPLETION,
    "w3id.org/xapi/adl/verbs/experienced": VIEW,
    "w3id.org/xapi/adl/verbs/launched": VIEW,
    "w3id.org/xapi/adl/verbs/attempted": VIEW,
    "w3id.org/xapi/adl/verbs/progressed": PROGRESS,
    "w3id.org/xapi/adl/verbs/terminated": END_OF_VIEW,
    "w3id.org/xapi/adl/verbs/answered": ANSWER,
    "w3id.org/xapi/adl/verbs/passed": JUDGEMENT,
    "w3id.org/xapi/adl/verbs/failed": JUDGEMENT,
    "w3id.org/xapi/adl/verbs/scored": SCORE,
    "w3id.org/xapi/adl/verbs/completed": COMPLETION,
    "w3id.org/xapi/adl/verbs/mastered": COMPLETION,
    # The Tin Can registry: Moodle views.
    "id.tincanapi.com/verb/viewed": VIEW,
    # Activity Streams, with and without the schema: Moodle starts and submits, H5P consumes.
    "activitystrea.ms/schema/1.0/access": VIEW,
    "activitystrea.ms/schema/1.0/consume": VIEW,
    "activitystrea.ms/schema/1.0/listen": VIEW,
    "activitystrea.ms/schema/1.0/open": VIEW,
    "activitystrea.ms/schema/1.0/play": VIEW,
    "activitystrea.ms/schema/1.0/read": VIEW,
    "activitystrea.ms/schema/1.0/start": VIEW,
    "activitystrea.ms/schema/1.0/watch": VIEW,
    "activitystrea.ms/schema/1.0/submit": SUBMISSION,
    "activitystrea.ms/schema/1.0/complete": COMPLETION,
    "activitystrea.ms/start": VIEW,
    "activitystrea.ms/watch": VIEW,
    "activitystrea.ms/submit": SUBMISSION,
    "activitystrea.ms/complete": COMPLETION,
    # The video profile, and Open edX.
    "w3id.org/xapi/video/verbs/played": VIEW,
    "w3id.org/xapi/acrossx/verbs/accessed": VIEW,
    "w3id.org/xapi/acrossx/verbs/viewed": VIEW,
    "w3id.org/xapi/acrossx/verbs/watched": VIEW,
    "w3id.org/xapi/acrossx/verbs/evaluated": ANSWER,
    # TRAX.
    "vocab.xapi.fr/verbs/navigated-in": VIEW,
}
"""The rule for each verb, by its IRI without `http://` or `https://`."""

VOIDED: Final = {"adlnet.gov/expapi/verbs/voided", "w3id.org/xapi/adl/verbs/voided"}


def without_scheme(iri: str) -> str:
    """Return an IRI without `http://` or `https://`: vocabularies are quoted with either."""
    return iri.removeprefix("https://").removeprefix("http://")
