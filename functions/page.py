"""The dashboard's page: its files, and what it has to know of the stack, served without a token.

It imports only the standard library, because a learner who opens the page in the morning meets a cold start.
"""

import gzip
import json
import os
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from functions.compression import accepts_gzip

FILES = Path(__file__).parents[1] / "dashboard"
INDEX = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".svg": "image/svg+xml",
}
VERSION_MARK = "{{version}}"
"""What index.html has in place of the version of the files."""
FOR_EVER = "public, max-age=31536000, immutable"
"""For a file under the version that it has."""
SHORT = "public, max-age=300"
"""For a file under any other version, for example `latest`, which pages that embed panels use."""


class File(NamedTuple):
    """A file of the page, as it is and compressed."""

    content_type: str
    content: bytes
    compressed: bytes
    tag: str


@cache
def files() -> Mapping[str, File]:
    """Return the page's files by their paths. index.html names the version of the others."""
    found = {
        path.relative_to(FILES).as_posix(): path.read_bytes()
        for path in sorted(FILES.rglob("*"))
        if path.suffix in TYPES
    }
    found[INDEX] = found[INDEX].replace(VERSION_MARK.encode(), version().encode())
    return {
        name: File(
            TYPES[Path(name).suffix],
            content,
            gzip.compress(content, mtime=0),
            f'"{sha256(content).hexdigest()[:32]}"',
        )
        for name, content in found.items()
    }


@cache
def version() -> str:
    """Return a digest of all files. It is a part of their addresses, so that browsers may keep them."""
    digest = sha256()
    for path in sorted(FILES.rglob("*")):
        if path.suffix in TYPES:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(FILES).as_posix()} {len(content)} ".encode() + content)
    return digest.hexdigest()[:12]


def config() -> dict[str, Any]:
    """Return what the page has to know of the stack: how to sign in, and which claims mean what."""
    kind = os.environ["SIGN_IN"]
    names = {
        "hosted": ("client_id", "authorize_url", "token_url", "sign_out_url"),
        "form": ("client_id", "form_url"),
        "none": (),
    }[kind]
    return {
        "sign_in": {"kind": kind} | {name: os.environ[name.upper()] for name in names},
        "learner_claim": os.environ["LEARNER_CLAIM"],
        "groups_claim": os.environ["GROUPS_CLAIM"],
    }


def content_security_policy() -> str:
    """Return the page's policy: nothing inline, and nothing from elsewhere but tokens from the issuer."""
    issuer = urlsplit(os.environ["TOKEN_URL"])
    tokens = f" {issuer.scheme}://{issuer.netloc}" if issuer.netloc else ""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            f"connect-src 'self'{tokens}",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a request for the page, its files or its configuration."""
    match event["routeKey"]:
        case "GET /":
            path = event["rawPath"]
            if not path.endswith("/"):
                # The page's addresses are relative. Below a base path they need a slash at the end of it.
                location = f"{path.rpartition('/')[2]}/" if path else "./"
                return {"statusCode": 308, "headers": {"Location": location}, "body": ""}
            headers = {
                "Cache-Control": "no-cache",
                "Content-Security-Policy": content_security_policy(),
                "Cross-Origin-Opener-Policy": "same-origin",
                "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
                "Referrer-Policy": "no-referrer",
            }
            return _answer(event, files()[INDEX], headers)
        case "GET /config.json":
            content = json.dumps(config()).encode()
            made = File(TYPES[".json"], content, content, f'"{sha256(content).hexdigest()[:32]}"')
            return _answer(event, made, {"Cache-Control": "no-cache"})
        case _:
            parameters = event["pathParameters"]
            found = files().get(parameters["file"])
            if found is None or parameters["file"] == INDEX:
                return _not_found(event)
            kept = FOR_EVER if parameters["version"] == version() else SHORT
            return _answer(event, found, {"Cache-Control": kept})


def _answer(event: Mapping[str, Any], file: File, headers: Mapping[str, str]) -> dict[str, Any]:
    sent = {
        "Content-Type": file.content_type,
        "ETag": file.tag,
        "Strict-Transport-Security": "max-age=31536000",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        **headers,
    }
    asked = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    known = {tag.strip().removeprefix("W/") for tag in asked.get("if-none-match", "").split(",")}
    if file.tag in known:
        return {"statusCode": 304, "headers": sent, "body": ""}
    if len(file.compressed) < len(file.content) and accepts_gzip(asked):
        sent["Content-Encoding"] = "gzip"
        body = b64encode(file.compressed).decode()
        return {"statusCode": 200, "headers": sent, "body": body, "isBase64Encoded": True}
    return {"statusCode": 200, "headers": sent, "body": file.content.decode()}


def _not_found(event: Mapping[str, Any]) -> dict[str, Any]:
    error = {
        "code": "not_found",
        "message": "The page has no such file.",
        "request_id": event["requestContext"]["requestId"],
    }
    headers = {"Content-Type": TYPES[".json"], "Cache-Control": "no-store"}
    return {"statusCode": 404, "headers": headers, "body": json.dumps({"error": error})}
