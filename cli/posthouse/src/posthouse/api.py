"""The admin API as the command speaks to it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from posthouse.errors import Problem, Refused, Unreachable
from posthouse.stack.layout import Layout
from posthouse.stack.ports import Ports
from posthouse.supervisor import state

DEFAULT_DATA = Path(".posthouse")


@dataclass(frozen=True, slots=True)
class Target:
    """Which installation is meant. With a `login` the token is a password of that account's, else the operator's."""

    url: str
    token: str
    login: str = ""


def find(data: Path | None, url: str | None, token: str | None, token_file: Path | None) -> Target:
    """By --url and a token, or by the data folder of a running installation. Raises Problem or Unreachable.

    An account with a role in its tenant names itself in POSTHOUSE_LOGIN; its token is an app password of the scope admin.
    """
    url = url or os.environ.get("POSTHOUSE_URL")
    if url:
        token = token or os.environ.get("POSTHOUSE_TOKEN")
        if token_file is not None:
            try:
                token = token_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise Problem(f"the token file {token_file} cannot be read: {error.strerror}.") from error
        if not token:
            raise Problem(
                "--url needs a token: --token-file, --token or the environment variable POSTHOUSE_TOKEN."
            )
        if not url.startswith(("http://", "https://")):
            raise Problem(f"--url wants an address that begins with http:// or https://, not {url}.")
        if not (token.isascii() and token.isprintable()):
            raise Problem("the token has characters that no token has; is it the right file?")
        return Target(url.rstrip("/"), token, os.environ.get("POSTHOUSE_LOGIN", ""))
    layout = Layout((data or DEFAULT_DATA).absolute())
    running = state.read_running(layout)
    try:
        secret = layout.token_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Problem(
            f"the operator's token in {layout.token_file} cannot be read: {error.strerror}."
        ) from error
    return Target(f"http://127.0.0.1:{Ports.at(running.port_base).admin}", secret)


def named(kind: str, name: str) -> str:
    """The path of one thing. A name may have characters in it that mean something in a path."""
    return f"/v1/{kind}/{quote(name, safe='@+')}"


class Api:
    """Calls with errors as sentences. Raises Problem for a URL that is none."""

    def __init__(self, target: Target) -> None:
        try:
            self._client = httpx.Client(
                base_url=target.url,
                headers={} if target.login else {"Authorization": f"Bearer {target.token}"},
                auth=httpx.BasicAuth(target.login, target.token) if target.login else None,
                timeout=20.0,
                trust_env=False,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise Problem(f"{target.url} is not a URL: {error}.") from error
        self._url = target.url

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """The answer's JSON, None where there is none. Raises Refused or Unreachable."""
        try:
            answer = self._client.request(
                method, path, json=body, params={k: v for k, v in query.items() if v} or None
            )
        except httpx.HTTPError as error:
            raise Unreachable(f"the admin API at {self._url} does not answer: {error}.") from error
        if answer.status_code >= 400:
            try:
                detail = answer.json()["detail"]
            except (ValueError, KeyError, TypeError):
                detail = f"HTTP {answer.status_code}"
            if answer.status_code >= 500:
                raise Unreachable(f"the platform is unwell: {detail}")
            raise Refused(str(detail))
        try:
            if not answer.is_success:
                raise ValueError
            return answer.json() if answer.content else None
        except ValueError:
            raise Unreachable(
                f"{self._url} does not answer as an admin API does (HTTP {answer.status_code})."
            ) from None

    def every(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All pages of a list."""
        found: list[dict[str, Any]] = []
        page = ""
        while True:
            answer = self.call("GET", path, page=page, size="500", **query)
            found += answer["items"]
            page = answer["next_page"]
            if not page:
                return found
