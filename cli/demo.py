"""`streakline demo`: emit about 4,700 generated interactions, and show one learner's dashboard."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import assert_never
from uuid import UUID
from zoneinfo import ZoneInfo

import click
from rich.console import Console

from cli.content import ensure_content
from cli.emit import emit_interactions
from cli.logs import CatalogRow, Fields
from cli.manifest import clear_manifest, read_manifest
from cli.show import render
from cli.stack import Stack, on_stack
from cli.wait import find
from domain.days import zone_of
from domain.interaction import Kind

SEED = 20260301
LAST_DAY = date(2026, 3, 1)
"""Fixed, so that a second run emits the same interactions and changes no view."""
WEEKS = 8
LEARNERS = 40
LATE_SHARE, REPEATED_SHARE = 0.02, 0.02
SHOWN = "demo-ada"
"""The learner whose dashboard is shown."""
SITTING: tuple[Kind, ...] = ("viewed", "answered", "completed")
"""How a learner works through one piece of content."""
COMPLETED_SHARE = 0.6
"""The share of answered content that is then completed."""

CERTIFICATIONS: dict[str, tuple[str, ...]] = {
    "SAA": ("Compute", "Storage", "Databases", "Networking", "Security & Identity", "Cost Optimization"),
    "DVA": ("Development", "Deployment", "Security & Identity", "Troubleshooting"),
    "CCP": ("Cloud Concepts", "Security & Identity", "Technology", "Billing & Pricing"),
}
CONTENT_PER_CATEGORY = 12
ZONES = ("Europe/Helsinki", "America/Chicago", "Asia/Kolkata", "Australia/Sydney", "America/Sao_Paulo")
NAMES = """
    ada alan alice anita barbara carol claude dennis donald dorothy edsger elena evelyn frances george
    grace guido hedy ida jean john judea katherine ken kristen leslie linus lynn margaret mary maurice
    niklaus radia rear robin rozsa shafi sophie tim yukihiro
""".split()  # noqa: SIM905 (forty quoted names are harder to read)


def demo_catalog() -> list[CatalogRow]:
    """Return the content of the three certifications, category by category."""
    levels = ("beginner", "intermediate", "advanced")
    return [
        CatalogRow(f"{code.lower()}-{area + 1}-{number + 1:02}", code, category, levels[number % 3])
        for code, categories in CERTIFICATIONS.items()
        for area, category in enumerate(categories)
        for number in range(CONTENT_PER_CATEGORY)
    ]


@dataclass(frozen=True, slots=True)
class _Learner:
    user_id: str
    zone: ZoneInfo
    certification: str
    ability: float
    """Probability of a right answer in the first week."""
    diligence: float
    """Probability of studying on a workday."""


def demo_interactions(seed: int = SEED, last_day: date = LAST_DAY) -> list[Fields]:
    """Return eight weeks of 40 learners' interactions in order of arrival: the same for the same arguments.

    Learners study in sessions, mostly on workdays, and some late in the evening. About 2 % of the
    interactions arrive twice, 2 % arrive days late, as after studying offline, and six are bad, each in a
    different way.
    """
    rng = random.Random(seed)
    learners = [
        _Learner(
            user_id=f"demo-{name}",
            zone=zone_of(rng.choice(ZONES)),
            certification=rng.choice(list(CERTIFICATIONS)),
            ability=rng.uniform(0.45, 0.8),
            diligence=rng.uniform(0.2, 0.8) if name != "ada" else 0.97,
        )
        for name in NAMES[:LEARNERS]
    ]
    arrivals: list[tuple[datetime, int, Fields]] = []
    for learner in learners:
        for day in range(7 * WEEKS):
            study_date = last_day - timedelta(days=7 * WEEKS - 1 - day)
            for fields in _session(rng, learner, study_date, progress=day / (7 * WEEKS)):
                happened = datetime.fromisoformat(fields["occurred_at"])
                late = timedelta(days=rng.uniform(1, 6)) if rng.random() < LATE_SHARE else timedelta()
                arrivals.append((happened + late, len(arrivals), fields))
                if rng.random() < REPEATED_SHARE:
                    arrivals.append((happened + late + timedelta(minutes=2), len(arrivals), fields))
    ordered = [fields for _, _, fields in sorted(arrivals, key=lambda arrival: arrival[:2])]
    for number, bad in enumerate(_bad(ordered[0])):
        ordered.insert((number + 1) * len(ordered) // 12, bad)
    return ordered


def _session(rng: random.Random, learner: _Learner, day: date, progress: float) -> list[Fields]:
    """Return a day's interactions: a few pieces of content, one after the other. Empty on a day off."""
    weekend = day.weekday() >= 5
    if rng.random() > learner.diligence * (0.55 if weekend and learner.diligence < 0.9 else 1):
        return []
    clock = time(rng.choice((7, 12, 18, 20, 22)), rng.randrange(60))
    moment = datetime.combine(day, clock, learner.zone)
    categories = CERTIFICATIONS[learner.certification]
    interactions: list[Fields] = []
    for _ in range(rng.randrange(1, 4)):
        area = min(int(rng.triangular(0, len(categories), progress * len(categories))), len(categories) - 1)
        content = f"{learner.certification.lower()}-{area + 1}-{rng.randrange(CONTENT_PER_CATEGORY) + 1:02}"
        right = learner.ability + 0.2 * progress
        for kind in SITTING:
            if kind == SITTING[-1] and rng.random() > COMPLETED_SHARE:
                break
            seconds = rng.randrange(20, 400)
            moment += timedelta(seconds=seconds)
            fields: Fields = {
                "event_id": str(UUID(int=rng.getrandbits(128), version=4)),
                "user_id": learner.user_id,
                "content_id": content,
                "interaction_type": kind,
                "occurred_at": moment.isoformat(),
                "timezone": learner.zone.key,
                "time_spent": seconds,
            }
            match kind:
                case "answered":
                    fields["score"] = _score(rng, right)
                case "viewed" | "completed":
                    pass
                case _:
                    assert_never(kind)
            interactions.append(fields)
    return interactions


def _score(rng: random.Random, right: float) -> int:
    """Return a score of 0 to 100: full marks often, else one around `right`, an expected share of 100."""
    if rng.random() < right / 2:
        return 100
    return max(0, round(100 * min(1, rng.gauss(right, 0.15))))


def _bad(good: Fields) -> list[Fields]:
    """Return interactions that end in quarantine, each for a different reason."""
    return [
        {**good, "event_id": "demo-bad-1", "score": 100.5},
        {**good, "event_id": "demo-bad-2", "occurred_at": "2026-02-30T10:00:00Z"},
        {**good, "event_id": "demo-bad-3", "interaction_type": "dreamt"},
        {**good, "event_id": "demo-bad-4", "content_id": "not-in-any-catalog"},
        {**good, "event_id": "demo-bad-5", "timezone": "Mars/Olympus_Mons"},
        {**good, "event_id": "demo bad 6", "time_spent": -5},
    ]


@click.command()
@click.option(
    "--timeout",
    type=float,
    default=180,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the views.",
)
@on_stack
def demo(stack: Stack, timeout: float) -> None:
    """Emit a generated log and show a dashboard.

    The log has eight weeks of 40 learners' interactions. Half of them go over the bus, half over the stream.
    If you run it again, all of them are recognised as duplicates and no view changes.
    """
    interactions = demo_interactions()
    users = sorted({fields["user_id"] for fields in interactions})
    before = _applied(stack, users)
    ensure_content(stack, demo_catalog())
    clear_manifest()
    emit_interactions(stack, "bus", interactions[::2])
    emit_interactions(stack, "stream", interactions[1::2])
    console = Console(stderr=True)
    with console.status("waiting for the views") as status:
        found = find(
            stack, read_manifest(), timeout, lambda left: status.update(f"waiting for {left} learners")
        )
    if found.missing:
        raise click.ClickException(
            f"{found.missing} interactions are neither in the views nor in quarantine after {timeout:.0f} "
            "seconds; see the logs of the project function"
        )
    clear_manifest()
    applied = _applied(stack, users) - before
    quarantined = found.quarantined.total()
    duplicates = len(interactions) - applied - quarantined
    render(Console(), stack, SHOWN, LAST_DAY)
    click.echo(
        f"\n{len(interactions):,} interactions emitted, half over the bus and half over the stream:\n"
        f"  {applied:6,} applied\n"
        f"  {duplicates:6,} recognised as duplicates\n"
        f"  {quarantined:6,} in quarantine: {_listed(Counter(found.quarantined))}\n"
    )
    click.echo(
        "Try next:\n"
        "  streakline demo                                 emit the same again; nothing changes\n"
        f"  streakline show demo-grace --today {LAST_DAY}   show another learner\n"
        "  streakline redrive --dry-run                    list what is in quarantine, and why\n"
        "  streakline token --group instructors            print a token for the API\n"
        "  streakline down                                 stop the local stack"
    )


def _applied(stack: Stack, users: Sequence[str]) -> int:
    learners = (stack.store.read_state(user_id) for user_id in users)
    return sum(learner.total.interactions for learner in learners if learner)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {code}" for code, count in sorted(counts.items())) or "none"
