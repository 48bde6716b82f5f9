"""`streakline demo`: about 5,000 made-up interactions through both doors, and what becomes of them."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import click
from rich.console import Console

from cli.emit import offer, put
from cli.logs import CatalogRow, Fields
from cli.manifest import forget, noted
from cli.show import render
from cli.stack import Stack, on_stack
from cli.wait import find
from domain.days import zone_of

SEED = 20260301
LAST_DAY = date(2026, 3, 1)
"""Fixed, so that a second run emits the very same interactions and changes no view."""
WEEKS = 8
LEARNERS = 40
LATE_SHARE, REPEATED_SHARE = 0.02, 0.02
SHOWN = "demo-ada"

CERTIFICATIONS: dict[str, tuple[str, ...]] = {
    "SAA": ("Compute", "Storage", "Databases", "Networking", "Security & Identity", "Cost Optimization"),
    "DVA": ("Development", "Deployment", "Security & Identity", "Troubleshooting"),
    "CCP": ("Cloud Concepts", "Security & Identity", "Technology", "Billing & Pricing"),
}
CONTENTS_PER_CATEGORY = 12
ZONES = ("Europe/Helsinki", "America/Chicago", "Asia/Kolkata", "Australia/Sydney", "America/Sao_Paulo")
NAMES = """
    ada alan alice anita barbara carol claude dennis donald dorothy edsger elena evelyn frances george
    grace guido hedy ida jean john judea katherine ken kristen leslie linus lynn margaret mary maurice
    niklaus radia rear robin rozsa shafi sophie tim yukihiro
""".split()  # noqa: SIM905 (forty quoted names are harder to read)


def demo_catalog() -> list[CatalogRow]:
    """The content of the three certifications, in the order of the exams' guides."""
    levels = ("beginner", "intermediate", "advanced")
    return [
        CatalogRow(f"{code.lower()}-{area + 1}-{number + 1:02}", code, category, levels[number % 3])
        for code, categories in CERTIFICATIONS.items()
        for area, category in enumerate(categories)
        for number in range(CONTENTS_PER_CATEGORY)
    ]


@dataclass(frozen=True, slots=True)
class _Learner:
    user_id: str
    zone: ZoneInfo
    certification: str
    ability: float
    """Chance to answer right at first."""
    diligence: float
    """Chance to study on a workday."""


def demo_interactions(seed: int = SEED, last_day: date = LAST_DAY) -> list[Fields]:
    """Eight weeks of 40 learners, in the order that they arrive: the same for the same arguments.

    Learners study in sessions, most on workdays, some late in the evening. Of the interactions about 2 %
    come twice, 2 % come days late (studied offline), and a handful is bad in a way of its own.
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
            date_of_study = last_day - timedelta(days=7 * WEEKS - 1 - day)
            for fields in _session(rng, learner, date_of_study, progress=day / (7 * WEEKS)):
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
    """One sitting, or none: contents viewed, answered, sometimes completed, one after the other."""
    weekend = day.weekday() >= 5
    if rng.random() > learner.diligence * (0.55 if weekend and learner.diligence < 0.9 else 1):
        return []
    clock = time(rng.choice((7, 12, 18, 20, 22)), rng.randrange(60))
    moment = datetime.combine(day, clock, learner.zone)
    categories = CERTIFICATIONS[learner.certification]
    found: list[Fields] = []
    for _ in range(rng.randrange(1, 4)):
        area = min(int(rng.triangular(0, len(categories), progress * len(categories))), len(categories) - 1)
        content = f"{learner.certification.lower()}-{area + 1}-{rng.randrange(CONTENTS_PER_CATEGORY) + 1:02}"
        right = learner.ability + 0.2 * progress
        for kind in ("viewed", "answered", "completed"):
            if kind == "completed" and rng.random() > 0.6:
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
            if kind == "answered":
                fields["score"] = (
                    100 if rng.random() < right / 2 else round(100 * min(1, rng.gauss(right, 0.15)))
                )
                fields["score"] = max(0, fields["score"])
            found.append(fields)
    return found


def _bad(good: Fields) -> list[Fields]:
    """One of each kind that ends in quarantine."""
    return [
        {**good, "event_id": "demo-bad-1", "score": 100.5},
        {**good, "event_id": "demo-bad-2", "occurred_at": "2026-02-30T10:00:00Z"},
        {**good, "event_id": "demo-bad-3", "interaction_type": "dreamt"},
        {**good, "event_id": "demo-bad-4", "content_id": "not-in-any-catalog"},
        {**good, "event_id": "demo-bad-5", "timezone": "Mars/Olympus_Mons"},
        {**good, "event_id": "demo bad 6", "time_spent": -5},
    ]


@click.command()
@click.option("--timeout", type=float, default=180, show_default=True, help="Seconds to wait for the views.")
@on_stack
def demo(stack: Stack, timeout: float) -> None:
    """Emit eight weeks of 40 made-up learners, half over the bus and half over the stream; show one.

    Run it again: every interaction is recognised, and no view changes.
    """
    interactions = demo_interactions()
    users = sorted({fields["user_id"] for fields in interactions})
    before = _applied(stack, users)
    offer(stack, demo_catalog())
    forget()
    put(stack, "bus", interactions[::2])
    put(stack, "stream", interactions[1::2])
    console = Console(stderr=True)
    with console.status("waiting for the views") as status:
        found = find(stack, noted(), timeout, lambda left: status.update(f"waiting for {left} learners"))
    if found.missing:
        raise click.ClickException(f"{found.missing} interactions are neither in a view nor in quarantine")
    forget()
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
        "  streakline demo                                     the same again: nothing changes\n"
        f"  streakline show demo-grace --today {LAST_DAY}         another learner\n"
        "  streakline redrive --dry-run                        what is in quarantine, and why\n"
        "  streakline token --group instructors                a token for the API\n"
        "  streakline down                                     the end"
    )


def _applied(stack: Stack, users: Sequence[str]) -> int:
    learners = (stack.store.read_state(user_id) for user_id in users)
    return sum(learner.total.interactions for learner in learners if learner)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {code}" for code, count in sorted(counts.items())) or "none"
