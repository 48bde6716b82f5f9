"""Post an interaction to the API with the learner's own token, and wait until it counts.

Run `eval "$(streakline env)"` and `export TOKEN=$(streakline token)` first, then: python examples/emit_api.py
"""

import json
import os
import time
import urllib.parse
import urllib.request


def call(path, body=None):
    """Return the JSON that the API answers. Raise urllib.error.HTTPError if it refuses."""
    request = urllib.request.Request(
        f"{os.environ['API_URL']}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {os.environ['TOKEN']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


# `me` is whoever the token names. The API fills in event_id and occurred_at, and answers both.
accepted = call(
    "/progress/me/interaction",
    {"content_id": "python-1", "interaction_type": "completed", "score": 100, "time_spent": 60},
)
occurred_at = urllib.parse.quote(accepted["occurred_at"])
while True:
    outcome = call(f"/progress/me/interactions/{accepted['event_id']}?occurred_at={occurred_at}")
    if outcome["status"] != "not_seen":
        break
    time.sleep(0.5)
print(outcome["status"], outcome["reason"] or "")
for achievement in outcome["achievements"]:
    print("earned:", achievement["badge_icon"], achievement["title"])
