"""Tokens for the API: issued by the stack's user pool, tampered with, or signed by an issuer of the tests."""

import base64
import hmac
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from cli.stack import Stack
from cli.token import id_token
from tests.e2e.wire import Document, served

LIFETIME = 3600
"""Seconds for which a token of the tests' issuer is valid."""

# -- reading and tampering -------------------------------------------------------------------------


def claims_of(token: str) -> dict[str, Any]:
    return _decoded(token.split(".")[1])


def learner_of(token: str) -> str:
    """Return the learner that a token of the local stack's pool names (its parameter LearnerClaim)."""
    return str(claims_of(token)["cognito:username"])


def header_of(token: str) -> dict[str, Any]:
    return _decoded(token.split(".")[0])


def _decoded(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _encoded(part: Mapping[str, Any] | bytes) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unsigned(token: str) -> str:
    """Return the token with `alg: none` and without a signature."""
    return f"{_encoded({**header_of(token), 'alg': 'none'})}.{token.split('.')[1]}."


def with_claims(token: str, **claims: Any) -> str:
    """Return the token with other claims under its old signature."""
    header, _, signature = token.split(".")
    return f"{header}.{_encoded({**claims_of(token), **claims})}.{signature}"


# -- the stack's own user pool ---------------------------------------------------------------------


def access_token(stack: Stack, user: str) -> str:
    """Return an access token of the client whose ID tokens the API accepts. The user must exist."""
    cognito = stack.client("cognito-idp")
    pool, client = stack.outputs["UserPoolId"], stack.outputs["UserPoolClientId"]
    password = f"Aa1-{secrets.token_urlsafe(24)}"
    cognito.admin_set_user_password(UserPoolId=pool, Username=user, Password=password, Permanent=True)
    answer = cognito.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=client,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": user, "PASSWORD": password},
    )
    return str(answer["AuthenticationResult"]["AccessToken"])


def member_of(stack: Stack, group: str) -> str:
    """Return an ID token of a user whose only group has this name. The group is created."""
    cognito = stack.client("cognito-idp")
    with suppress(cognito.exceptions.GroupExistsException):
        cognito.create_group(UserPoolId=stack.outputs["UserPoolId"], GroupName=group)
    return id_token(stack, f"e2e-member-{secrets.token_hex(4)}", group, existing=False)


def short_lived(stack: Stack, user: str) -> str:
    """Return an ID token of the API's own client that expires after a second."""
    cognito = stack.client("cognito-idp")
    described = cognito.describe_user_pool_client(
        UserPoolId=stack.outputs["UserPoolId"], ClientId=stack.outputs["UserPoolClientId"]
    )["UserPoolClient"]
    dates = {"CreationDate", "LastModifiedDate"}
    settings = {name: value for name, value in described.items() if value != "" and name not in dates}
    units = {**settings["TokenValidityUnits"], "IdToken": "seconds"}
    cognito.update_user_pool_client(**{**settings, "IdTokenValidity": 1, "TokenValidityUnits": units})
    try:
        return id_token(stack, user, existing=True)
    finally:
        cognito.update_user_pool_client(**settings)


def of_another_client(stack: Stack, user: str, pool: str | None = None) -> str:
    """Return an ID token of a client that the API does not know, in the stack's pool or in another one."""
    pool = pool or stack.outputs["UserPoolId"]
    made = stack.client("cognito-idp").create_user_pool_client(
        UserPoolId=pool, ClientName="e2e", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
    )
    client = made["UserPoolClient"]["ClientId"]
    outputs = {**stack.outputs, "UserPoolId": pool, "UserPoolClientId": client}
    return id_token(replace(stack, outputs=outputs), user, existing=True)


def of_another_pool(stack: Stack, user: str) -> str:
    """Return an ID token of a user pool that the API does not know."""
    pool = stack.client("cognito-idp").create_user_pool(PoolName="another")["UserPool"]["Id"]
    return of_another_client(stack, user, pool)


# -- the tests' own issuer -------------------------------------------------------------------------


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signed(key: rsa.RSAPrivateKey, key_id: str, claims: Mapping[str, Any]) -> str:
    """Return a token with these claims and an RS256 signature. Claims that are None are left out."""
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(present, key, algorithm="RS256", headers={"kid": key_id})


def signed_with_public_key(key: rsa.RSAPrivateKey, key_id: str, claims: Mapping[str, Any]) -> str:
    """Return a token with an HMAC whose secret is the public key.

    Verifiers that let the token choose the algorithm accept it. PyJWT refuses to make one.
    """
    secret = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    message = f"{_encoded({'alg': 'HS256', 'kid': key_id})}.{_encoded(claims)}"
    return f"{message}.{_encoded(hmac.digest(secret, message.encode(), 'sha256'))}"


class Issuer:
    """An OpenID Connect issuer with one key."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.key = new_key()
        self.key_id = "of-the-tests"

    def documents(self) -> dict[str, Document]:
        """Return the discovery document and the key set by path."""
        public = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        keys = {"keys": [{**public, "kid": self.key_id, "alg": "RS256", "use": "sig"}]}
        discovery = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/published/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return {
            "/.well-known/openid-configuration": Document("application/json", json.dumps(discovery)),
            # Not a conventional path: only the discovery document leads to it.
            "/published/keys": Document("application/json", json.dumps(keys)),
        }

    def claims(self, **claims: Any) -> dict[str, Any]:
        """Return the claims of a token that is valid now. `claims` adds to them or replaces them."""
        now = int(time.time())
        return {"iss": self.url, "iat": now - 60, "nbf": now - 60, "exp": now + LIFETIME, **claims}

    def token(self, **claims: Any) -> str:
        """Return a signed token. `claims` adds to the usual claims or replaces them; None removes one."""
        return signed(self.key, self.key_id, self.claims(**claims))


@contextmanager
def issuer() -> Iterator[Issuer]:
    """Serve the discovery document and the keys of a new issuer on the loopback. Yield the issuer."""
    documents: dict[str, Document] = {}
    with served(documents) as url:
        made = Issuer(url)
        documents.update(made.documents())
        yield made
