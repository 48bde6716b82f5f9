"""`streakline redrive`: puts quarantined records back through the stream."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

import click
from rich.console import Console

from cli.quarantine import Held, Letter, Letters
from cli.stack import Stack, on_stack, print_json
from cli.stream import put

FOR_GOOD = {"malformed", "invalid", "failed_change"}
"""Reasons that the stream can't mend: the record stays, for its producer or the engineer to look at."""
LETTERS_AT_ONCE = 100


@dataclass(slots=True)
class Redriven:
    """What became of the records in quarantine; each counts once, however often it lies there."""

    back: Counter[str] = field(default_factory=Counter)
    """By code: those that are in the stream again, or would be."""
    staying: list[Held] = field(default_factory=list)


@click.command()
@click.option("--reason", help="Only records with this code, such as unknown_content.")
@click.option("--dry-run", is_flag=True, help="Only list.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@on_stack
def redrive(stack: Stack, reason: str | None, dry_run: bool, as_json: bool) -> None:
    """Put quarantined records back through the stream.

    Records whose fault lies in themselves stay, and are listed. Running it twice has no effect beyond
    once: what was applied in the meantime is recognised.
    """
    listed: list[str] = []
    with Console(stderr=True).status("looking into quarantine") as status:

        def tell(held: Held) -> None:
            if dry_run:
                listed.append(f"  {held.position}  {held.code}: {held.reason}")
            status.update(f"looking into quarantine: {held.position}")

        done = put_back(stack, reason, dry_run=dry_run, tell=tell)
    if as_json:
        print_json(
            {
                "redriven": 0 if dry_run else done.back.total(),
                "eligible": dict(done.back),
                "staying": [_described(held) for held in done.staying],
            }
        )
        return
    for code, count in sorted(done.back.items()):
        click.echo(f"{'would go back' if dry_run else 'back in the stream'}: {count:5,}  {code}")
    for line in listed:
        click.echo(line)
    for held in done.staying:
        click.echo(f"stays: {held.position}  {held.code}: {held.reason}")
    if not done.back and not done.staying:
        click.echo("Nothing in quarantine" + (f" for {reason}." if reason else "."))


def put_back(
    stack: Stack,
    reason: str | None = None,
    *,
    dry_run: bool = False,
    tell: Callable[[Held], None] = lambda _: None,
) -> Redriven:
    """Put records into the stream, and take them out of quarantine once it has them.

    `reason`: only those with this code. `dry_run`: only look. `tell`: called for each that goes back.
    Raises click.ClickException where the stream does not take them; what it has not got stays.
    """
    done = Redriven()
    known: set[str] = set()
    with Letters(stack) as letters:
        for some in batched(_going_back(letters, done.staying, reason), LETTERS_AT_ONCE):
            # A record lies here again where its batch was delivered again.
            held = {h.position: h for letter in some for h in letter.held if h.position not in known}
            known |= held.keys()
            if not dry_run:
                for _ in put(stack, map(letters.record, held.values())):
                    pass
                letters.take_out(some)
            for one in held.values():
                done.back[one.code] += 1
                tell(one)
    return done


def _going_back(letters: Iterable[Letter], staying: list[Held], reason: str | None) -> Iterator[Letter]:
    """The letters that the stream may mend; the records of the others are added to `staying`."""
    listed: set[str] = set()
    for letter in letters:
        code = letter.held[0].code
        if reason not in (None, code):
            continue
        if code not in FOR_GOOD:
            yield letter
            continue
        staying += [held for held in letter.held if held.position not in listed]
        listed.update(held.position for held in letter.held)


def _described(held: Held) -> dict[str, Any]:
    return {
        "position": held.position,
        "code": held.code,
        "reason": held.reason,
        "arrived_at": held.arrived_at,
    }
