"""The examples, as they stand, against the deployed stack; and the README's quick start, line by line."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest
from playwright._impl._driver import compute_driver_executable
from playwright.sync_api import Page, Route

from tests.e2e.browser import chromium
from tests.e2e.conftest import REPOSITORY, Deployed
from tests.e2e.interactions import eventually
from tests.e2e.second_stack import second_stack
from tests.e2e.tokens import learner_of
from tests.e2e.wire import call

EXAMPLES = REPOSITORY / "examples"
USER = "e2e-examples"
SECONDS = 90
"""How long an award may take."""


@pytest.fixture(scope="module")
def shell(stack: Deployed) -> dict[str, str]:
    """Return the environment of a shell in which the lines of examples/README.md were run."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**bare, "STREAKLINE_LOCAL": str(stack.local)}
    printed = run([sys.executable, "-m", "cli", "env"], environment)
    exported = dict(re.findall(r"^export (\w+)=(\S+)$", printed, re.MULTILINE))
    environment |= {name: value.strip("'") for name, value in exported.items() if name != "PATH"}
    run([sys.executable, "-m", "cli", "catalog", "import", "examples/contents.csv"], environment)
    return environment | {"TOKEN": stack.token(user=USER)}


def run(command: list[str], environment: dict[str, str]) -> str:
    result = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, f"{' '.join(command)}: {result.stdout}{result.stderr}"
    return result.stdout


def example(name: str, shell: dict[str, str], *arguments: str) -> str:
    return run([sys.executable, f"examples/{name}", *arguments], shell)


def outcome(stack: Deployed, user: str, emitted: str) -> str:
    """Return what became of an event that an example says it has emitted."""
    _, event_id, occurred_at = emitted.split()
    path = f"/progress/{user}/interactions/{event_id}?occurred_at={occurred_at.replace('+', '%2B')}"
    answer = call(stack.api_url, "GET", path, stack.token("admins"))
    return str(answer.json["status"]) if answer.status == 200 else "not_seen"


@pytest.mark.parametrize("name", ["emit_stream.py", "emit_bus.py"])
def test_a_backend_emits_through_stream_and_bus(stack: Deployed, shell: dict[str, str], name: str) -> None:
    user = f"example-{name[:8]}"
    emitted = example(name, shell, user)
    assert eventually(lambda: outcome(stack, user, emitted), "applied") == "applied"


def test_an_app_posts_and_is_told_the_badge(shell: dict[str, str]) -> None:
    printed = example("emit_api.py", shell)
    assert printed.startswith("applied")
    assert "earned: " in printed


def test_curl_posts_one_twice_and_several(stack: Deployed, shell: dict[str, str]) -> None:
    one, again, several, told = map(json.loads, run(["bash", "examples/curl.sh"], shell).splitlines())
    assert one == again
    assert [result["status"] for result in several["results"]] == ["accepted", "invalid"]
    assert told["event_id"] == "curl-1"
    answer = partial(call, stack.api_url, "GET", "/progress/me/content", shell["TOKEN"])
    wanted: tuple[bool, bool, float | None] = (True, True, 75.0)

    def seen() -> tuple[bool, bool, float | None]:
        for content in answer().json["content"]:
            if content["content_id"] == "python-4":
                return content["viewed"], content["answered"], content["best_score"]
        return False, False, None

    assert eventually(seen, wanted) == wanted


def test_a_consumer_prints_each_award_once(stack: Deployed, shell: dict[str, str]) -> None:
    command = [sys.executable, "-u", "examples/listen_awards.py"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=shell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as listener:
        # Without an award the test must fail, and not wait for ever.
        watchdog = threading.Timer(SECONDS, listener.kill)
        watchdog.start()
        try:
            assert listener.stdout is not None
            assert listener.stdout.readline() == "listening\n"
            token = stack.token(user="e2e-example-award")
            body = {"content_id": "python-1", "interaction_type": "completed"}
            assert call(stack.api_url, "POST", "/progress/me/interaction", token, body).status == 202
            user = learner_of(token)
            award = lines_until(listener.stdout, user)[-1]
            assert len(award.split()) > 1
            # EventBridge delivers at least once.
            for event_id, title in (("x", "Delivered"), ("x", "Delivered again"), ("y", "The end")):
                send(stack, {"event_id": event_id, "user_id": user, "title": title})
            later = lines_until(listener.stdout, f"{user} The end")
            assert later.count(f"{user} Delivered\n") + later.count(f"{user} Delivered again\n") == 1
        finally:
            watchdog.cancel()
            listener.kill()


def lines_until(lines: IO[str], beginning: str) -> list[str]:
    """Return the lines up to one that begins so. Fail if there is none before the end."""
    found: list[str] = []
    for line in iter(lines.readline, ""):
        found.append(line)
        if line.startswith(beginning):
            return found
    raise AssertionError(f"no line begins with {beginning!r}: {found}")


def send(stack: Deployed, detail: dict[str, Any]) -> None:
    stack.stack.client("events").put_events(
        Entries=[
            {
                "EventBusName": stack.outputs["BusName"],
                "Source": "streakline",
                "DetailType": "achievement.earned",
                "Detail": json.dumps(detail),
            }
        ]
    )


# -- the page --------------------------------------------------------------------------------------


@contextmanager
def site(directory: Path) -> Iterator[str]:
    """Serve a directory on the loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the example's page and its script, as examples/README.md builds it."""
    directory = tmp_path_factory.mktemp("browser")
    for name in ("index.html", "streakline.ts"):
        (directory / name).write_text((EXAMPLES / "browser" / name).read_text("utf-8"), "utf-8")
    readme = (EXAMPLES / "README.md").read_text("utf-8")
    found = re.search(r"^node -e '(.+)'$", readme, re.MULTILINE)
    assert found
    # Playwright brings a Node that is new enough.
    node, _ = compute_driver_executable()
    subprocess.run([str(node), "--no-warnings", "-e", found[1]], cwd=directory, check=True, timeout=60)
    return directory


def waiting(page: Page) -> int:
    return int(page.evaluate("queue.waiting"))


def test_the_page_keeps_what_happens_offline_and_sends_it_once(
    stack: Deployed, built: Path, shell: dict[str, str]
) -> None:
    token = stack.token(user="e2e-example-page")
    sent: list[list[dict[str, Any]]] = []

    def lose_the_answer(route: Route) -> None:
        """Let the first request reach the API, and lose its answer: the page must send the same ids again."""
        sent.append(json.loads(route.request.post_data or "[]"))
        answer = route.fetch()
        if len(sent) == 1:
            route.abort()
        else:
            route.fulfill(response=answer)

    with site(built) as origin, chromium() as browser:
        page = browser.new_page()
        page.route("**/progress/me/interactions", lose_the_answer)
        page.goto(f"{origin}/#api={stack.api_url}&token={token}")
        page.wait_for_function("window.queue")
        page.context.set_offline(True)
        page.get_by_role("button", name="0").click()
        page.get_by_role("button", name="1").click()
        assert "when you are online again" in page.get_by_role("status").inner_text()
        assert waiting(page) == 2
        assert sent == []
        page.context.set_offline(False)
        page.wait_for_function("queue.waiting === 0", timeout=30_000)
        page.close()
    assert len(sent) >= 2
    assert sent[0] == sent[1], "ids and times are kept"

    def answers() -> int:
        return int(
            call(stack.api_url, "GET", "/progress/me/analytics", token).json["total_questions_answered"]
        )

    assert eventually(answers, 2) == 2


def test_the_page_reports_what_the_api_refuses_and_goes_on(stack: Deployed, built: Path) -> None:
    token = stack.token(user="e2e-example-page-2")
    with site(built) as origin, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{origin}/#api={stack.api_url}&token={token}")
        page.wait_for_function("window.queue")
        page.evaluate("queue.record({content_id: 'python-2', interaction_type: 'answered', score: 101})")
        page.wait_for_function("queue.waiting === 0", timeout=30_000)
        assert "Not counted: score" in page.get_by_role("status").inner_text()
        page.close()


@pytest.mark.parametrize(
    ("status", "retry_after", "seconds"),
    [(503, "120", 120), (429, "90", 90), (503, "Fri, 27 Nov 2026 09:00:00 GMT", 0)],
)
def test_the_page_drops_nothing_and_waits_as_long_as_the_api_asks(
    built: Path, status: int, retry_after: str, seconds: int
) -> None:
    sent: list[list[str]] = []
    cors = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "retry-after"}

    def answer(route: Route) -> None:
        """Refuse the first request, and accept one of the second's two interactions."""
        posted = json.loads(route.request.post_data or "[]")
        sent.append([interaction["content_id"] for interaction in posted])
        if len(sent) == 1:
            route.fulfill(status=status, headers={**cors, "Retry-After": retry_after}, json={})
        else:
            states = ["accepted"] if len(sent) > 2 else ["accepted", "unavailable"]
            results = [
                {"status": state, "event_id": one["event_id"]}
                for state, one in zip(states, posted, strict=True)
            ]
            route.fulfill(status=202, headers=cors, json={"accepted": 1, "results": results})

    def record(content_id: str) -> None:
        """Record an interaction, and wait until the page has sent it or decided not to."""
        page.evaluate(
            f"queue.record({{content_id: '{content_id}', interaction_type: 'viewed'}}); queue.flush()"
        )

    with site(built) as origin, chromium() as browser:
        page = browser.new_page()
        page.route("**/progress/me/interactions", answer)
        page.clock.install(time="2026-11-27T08:00:00Z")
        page.goto(f"{origin}/#api=http://127.0.0.1:9&token=x")
        page.clock.pause_at("2026-11-27T08:01:00Z")
        page.wait_for_function("window.queue")
        record("python-1")
        assert sent == [["python-1"]]
        if seconds:
            page.clock.run_for(1_000 * (seconds - 1))
            record("python-2")
            assert len(sent) == 1, "a new interaction does not shorten the pause"
        else:
            record("python-2")
        page.clock.run_for(1_000 * 2)
        page.evaluate("queue.flush()")
        assert sent[1:] == [["python-1", "python-2"]]
        assert waiting(page) == 1
        page.clock.run_for(60_000)
        page.evaluate("queue.flush()")
        assert sent[2:] == [["python-2"]]
        assert waiting(page) == 0
        page.close()


# -- the README ------------------------------------------------------------------------------------


@pytest.fixture
def fresh(stack: Deployed, tmp_path: Path) -> Iterator[Path]:
    """Return the directory of a local stack in which nothing has happened yet."""
    with second_stack(stack.stack, "streakline-quickstart") as made:
        noted = {"endpoint_url": made.endpoint_url, "api_url": made.api_url, "outputs": made.outputs}
        (tmp_path / "stack.json").write_text(json.dumps(noted))
        yield tmp_path


def test_the_quick_start_prints_what_the_readme_shows(fresh: Path) -> None:
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    section = readme.split("## Quick start")[1].split("\n## ")[0]
    blocks = re.findall(r"^```(sh|text|json)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    script, wanted = "", []
    for kind, text in blocks:
        if kind == "sh":
            # The stack is up already, and `make` would install what only users need into this environment.
            text = re.sub(r"^make up\b", "true", text, flags=re.MULTILINE)
            script += f"{text}echo; echo '<end of block>'\n"
            wanted.append("")
        else:
            wanted[-1] += text
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    bare["PATH"] = os.pathsep.join(
        part for part in bare["PATH"].split(os.pathsep) if part != str(Path(sys.executable).parent)
    )
    environment = {**bare, "STREAKLINE_LOCAL": str(fresh)}
    printed = run(["bash", "-eo", "pipefail", "-c", script], environment).split("<end of block>\n")
    assert len(blocks) > 5
    for shown, found in zip(wanted, printed, strict=False):
        if shown:
            # An ellipsis stands for what differs from run to run.
            pattern = r".*?".join(map(re.escape, shown.strip().split("…")))
            assert re.fullmatch(pattern, found.strip(), re.DOTALL), f"shown:\n{shown}\nprinted:\n{found}"
