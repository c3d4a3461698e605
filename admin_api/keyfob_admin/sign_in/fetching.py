"""Asks an identity provider for JSON, and trusts neither its speed nor its size.

Redirects are never followed: they could lead anywhere, with the client's secret. The whole answer must be there in ten
seconds, however slowly it drips.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx

from keyfob.config.web_kinds import is_loopback
from keyfob.errors import ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_WAIT: Final = 10.0  # seconds for one answer
LARGEST_ANSWER: Final = 1024 * 1024  # bytes; more than every provider's keys
_HEADERS: Final = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "keyfob"}
_OK: Final = range(200, 300)
_ANSWERS: Final = frozenset({400, 401, 403})  # statuses with which a provider says what is wrong, in JSON


class Fetcher:
    """One provider's web client."""

    def __init__(self, *, on_this_machine: bool, longest_wait: float = LONGEST_WAIT) -> None:
        """With *on_this_machine*, http to loopback addresses is allowed, and nowhere else."""
        self._on_this_machine = on_this_machine
        self._longest_wait = longest_wait
        self._trusted = httpx.create_ssl_context()

    async def get(self, url: str, *, bearer: str | None = None) -> dict[str, Any]:
        """Read a JSON object. Raises ProviderUnavailable."""
        headers = {} if bearer is None else {"authorization": f"Bearer {bearer}"}
        status, answer = await self._answer("GET", url, headers=headers)
        if status not in _OK:
            raise ProviderUnavailable(f"{url} answered {status}")
        return answer

    async def post(self, url: str, form: Mapping[str, str], auth: tuple[str, str] | None) -> tuple[int, dict[str, Any]]:
        """Send *form*; return the status and the JSON object of a success or a refusal. Raises ProviderUnavailable."""
        status, answer = await self._answer("POST", url, form=form, auth=auth)
        if status not in _OK and status not in _ANSWERS:
            raise ProviderUnavailable(f"{url} answered {status}")
        return status, answer

    def check(self, url: object, what: str) -> str:
        """Return *url* if it may be asked. Raises ProviderUnavailable."""
        try:
            parts = urlsplit(url) if isinstance(url, str) else None
            host = parts.hostname if parts is not None else None
        except ValueError:
            parts = host = None
        if parts is None or not host or parts.username is not None or parts.fragment:
            raise ProviderUnavailable(f"the provider names no usable {what}")
        if parts.scheme != "https" and not (parts.scheme == "http" and self._on_this_machine and is_loopback(host)):
            raise ProviderUnavailable(f"the provider's {what} does not begin with https://")
        return parts.geturl()

    async def _answer(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        try:
            async with (
                asyncio.timeout(self._longest_wait),
                httpx.AsyncClient(
                    verify=self._trusted, timeout=self._longest_wait, follow_redirects=False, headers=_HEADERS
                ) as client,
                client.stream(method, url, headers=headers, data=form, auth=auth) as response,
            ):
                body = await _body(response, url)
        except TimeoutError:
            raise ProviderUnavailable(f"{url} did not answer in {self._longest_wait:g} seconds") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ProviderUnavailable(f"{url} cannot be asked: {type(error).__name__}") from None
        if response.is_redirect:
            raise ProviderUnavailable(f"{url} redirects, which is not followed")
        return response.status_code, _object(body, url)


async def _body(response: httpx.Response, url: str) -> bytes:
    body = bytearray()
    async for part in response.aiter_raw():  # as it was sent: decompressed, a small answer can be huge
        body += part
        if len(body) > LARGEST_ANSWER:
            raise ProviderUnavailable(f"{url} answered with more than {LARGEST_ANSWER:,} bytes")
    return bytes(body)


def _object(body: bytes, url: str) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise ProviderUnavailable(f"{url} did not answer with a JSON object")
    return answer
