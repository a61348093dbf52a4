"""A small OpenID provider over HTTPS: discovery, keys, a login without a password, and tokens with any fault."""

import json
import secrets
import ssl
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, PASSWORD = "tenure-console", "client-password"
LIFE = 3600


@dataclass
class Provider:
    """A running provider.

    Attributes:
        url: The issuer.
        ca: The file with the authority of its certificate.
        person: The claims of whoever logs in.
        life: Seconds for which new tokens are valid.
    """

    url: str
    ca: Path
    person: dict[str, Any] = field(default_factory=dict)
    life: int = LIFE
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    key_id: str = "first"
    asked_for_keys: int = 0
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def token(self, email: str = "olga@acme.io", *, key: Any = None, headers: Any = None, **claims: Any) -> str:
        """Return an ID token of somebody. A claim that is None is left out."""
        now = int(time.time())
        default = {"iss": self.url, "aud": CLIENT, "sub": email, "iat": now, "exp": now + self.life}
        body = {**default, "email": email, "email_verified": True, **claims}
        given = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(given, key or self.key, algorithm="RS256", headers={"kid": self.key_id, **(headers or {})})

    def change_key(self, key_id: str) -> None:
        """Sign with a new key from now on, which is the only one that is published."""
        self.key, self.key_id = rsa.generate_private_key(65537, 2048), key_id

    def keys(self) -> Any:
        """Return the published keys."""
        self.asked_for_keys += 1
        document = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**document, "kid": self.key_id, "use": "sig", "alg": "RS256"}]}

    def configuration(self) -> Any:
        """Return what clients have to know."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def authorize(self, query: dict[str, str]) -> str:
        """Log the person in, and return where the browser goes next."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = {"nonce": query.get("nonce")}
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query.get('state', '')})}"

    def redeem(self, form: dict[str, str]) -> Any:
        """Return the tokens for a code."""
        token = self.token(**{**self.person, **self.codes.pop(form["code"])})
        return {"access_token": "opaque", "token_type": "Bearer", "expires_in": self.life, "id_token": token}


@contextmanager
def provider(folder: Path) -> Iterator[Provider]:
    """Run a provider on the loopback while the block runs."""
    authority = trustme.CA(organization_name="login")
    ca = folder / "login-ca.crt"
    authority.cert_pem.write_to_path(ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    running = Provider("", ca)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(running))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    running.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, name="login", daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(running: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            documents = {"/.well-known/openid-configuration": running.configuration, "/keys": running.keys}
            if parts.path == "/authorize":
                self.send_response(302)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_header("Location", running.authorize(query))
                self.end_headers()
            elif parts.path in documents:
                self._send(documents[parts.path]())
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(text).items()}
            scheme, _, basic = self.headers.get("Authorization", "").partition(" ")
            given = b64decode(basic).decode() if scheme == "Basic" else f"{form['client_id']}:{form['client_secret']}"
            if given == f"{CLIENT}:{PASSWORD}":
                self._send(running.redeem(form))
            else:
                self.send_error(401)

        def _send(self, document: Any) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    return Handler
