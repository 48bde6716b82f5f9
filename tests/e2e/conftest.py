"""The template deployed on MiniStack, independent of any local stack that is already running."""

import gzip
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.stack import Stack, local_session
from cli.token import id_token

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Deployed:
    """A deployed stack and the commands for it."""

    stack: Stack
    streakline: Callable[..., dict[str, Any]]
    """Run `streakline ARGUMENTS --json` and return what it printed."""
    local: Path
    """Directory with the stack's logs and the code of its functions."""

    @property
    def api_url(self) -> str:
        return self.stack.api_url

    @property
    def outputs(self) -> dict[str, str]:
        return self.stack.outputs

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which `streakline` works on this stack."""
        return {**os.environ, "STREAKLINE_LOCAL": str(self.local)}

    def call(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        """Return status, body and headers of a call over HTTP."""
        sent = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.api_url}{path}", data, {**sent, **(headers or {})}, method=method
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, _body(answer), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, _body(error), dict(error.headers)

    def token(self, group: str | None = None, user: str | None = None) -> str:
        return id_token(self.stack, user or f"e2e-{group or 'learner'}", group, existing=True)


def _body(answer: Any) -> Any:
    data = answer.read()
    if answer.headers.get("Content-Encoding") == "gzip":
        data = gzip.decompress(data)
    return json.loads(data) if data else None


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    local = tmp_path_factory.mktemp("local")
    environment = {**os.environ, "STREAKLINE_LOCAL": str(local)}

    def streakline(*arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "cli", *arguments, "--json"]
        result = subprocess.run(
            command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True, check=False
        )
        assert result.returncode == 0, f"{' '.join(command)} exited with {result.returncode}: {result.stdout}"
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer

    try:
        up = streakline("up")
        stack = Stack(up["outputs"], up["api_url"], up["endpoint_url"], local_session())
        yield Deployed(stack, streakline, local)
    finally:
        down = [sys.executable, "-m", "cli", "down"]
        subprocess.run(down, cwd=REPOSITORY, env=environment, check=True)
