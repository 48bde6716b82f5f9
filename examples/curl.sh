#!/usr/bin/env bash
# Post interactions with curl: one, one again (it counts once), and several at a time.
# Run `eval "$(streakline env)"` and `export TOKEN=$(streakline token)` first.
set -euo pipefail

call() {
  curl --silent --show-error --fail-with-body --header "Authorization: Bearer $TOKEN" \
    --header "Content-Type: application/json" "$@"
  echo
}

now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
one='{"event_id": "curl-1", "content_id": "python-4", "interaction_type": "viewed", "occurred_at": "'$now'"}'
call "$API_URL/progress/me/interaction" --data "$one"
call "$API_URL/progress/me/interaction" --data "$one"
call "$API_URL/progress/me/interactions" --data '[
  {"event_id": "curl-2", "content_id": "python-4", "interaction_type": "answered", "score": 75, "occurred_at": "'$now'"},
  {"event_id": "curl-3", "content_id": "python-4", "interaction_type": "answered", "score": 175, "occurred_at": "'$now'"}
]'
# A plus sign in a query must be sent as %2B; this time ends with Z.
call "$API_URL/progress/me/interactions/curl-1?occurred_at=$now"
