"""HTTP on the loopback: a client that changes neither paths nor answers, and a server of fixed documents."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import urlsplit

PER_REQUEST = {"date", "apigw-requestid"}
"""Headers that are different in every answer."""


class Answer(NamedTuple):
    """An HTTP answer. The names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def is_ours(self) -> bool:
        """Whether a function gave the answer. Otherwise it is an error of the gateway, `{"message": …}`."""
        return not self.body.startswith(b'{"message"')

    def without_ids(self) -> tuple[int, dict[str, str], bytes]:
        """Return the whole error answer without the request's id and time, to compare it with another."""
        headers = {name: value for name, value in self.headers.items() if name not in PER_REQUEST}
        request_id = self.json["error"]["request_id"].encode()
        assert self.body.count(request_id) == 1
        return self.status, headers, self.body.replace(request_id, b"")


def call(
    url: str,
    method: str,
    path: str,
    token: str | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request to `url` + `path`, character by character as given, and return the answer."""
    parts = urlsplit(url)
    sent = {
        **({"Authorization": f"Bearer {token}"} if token else {}),
        **({"Content-Type": "application/json"} if body is not None else {}),
        **(headers or {}),
    }
    connection = HTTPConnection(parts.netloc, timeout=60)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, f"{parts.path}{path}", data, sent)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


class Document(NamedTuple):
    """A document that the server has."""

    content_type: str
    content: str


@contextmanager
def served(documents: Mapping[str, Document]) -> Iterator[str]:
    """Serve documents by their paths on a free port of the loopback. Yield the server's URL.

    Documents may be added while it runs.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = documents.get(self.path)
            self.send_response(200 if document else 404)
            content = document.content.encode() if document else b""
            self.send_header("Content-Type", document.content_type if document else "text/plain")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
