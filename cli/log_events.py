"""Read the events that the event log has of some learners."""

from collections.abc import Collection

from cli.log_lines import lines_of_all
from cli.stack import Stack
from domain.comparing import Logged
from domain.days import microseconds
from functions.log_objects import read_line
from functions.records import Received


def events_of(stack: Stack, user_ids: Collection[str]) -> dict[str, list[Logged]]:
    """Return the events that the log has of some learners, in order of arrival. They can come twice."""
    wanted = set(user_ids)
    found: dict[str, list[Logged]] = {}
    for line in lines_of_all(stack, wanted):
        for one in read_line(line):
            if isinstance(one, Received) and one.interaction.user_id in wanted:
                logged = Logged(one.interaction, microseconds(one.arrived_at))
                found.setdefault(one.interaction.user_id, []).append(logged)
    for events in found.values():
        events.sort(key=lambda logged: logged.arrived_at)
    return found
