"""Webhooks, `/hooks/SOURCE/SECRET`: a delivery is acknowledged once it is in the write-ahead log.

A wrong source, secret or network all get the same 404, which does not say which of them was wrong. It is a bare ASGI
endpoint, for speed: vendors send deliveries by the thousand.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from wfm.errors import OutputError
from wfm.jobs.sources import Source
from wfm.service.callers import Network, caller, inside
from wfm.service.journal import Journal
from wfm.vendors import (
    CALL_EVENT,
    CallRouter,
    Delivery,
    DeliveryAcknowledger,
    PushSettings,
    pack_deliveries,
)

log = logging.getLogger("wfm.webhooks")
METHODS: Final = ("GET", "POST")
MOST_BODY: Final = 64 * 1024
MOST_QUERY: Final = 8 * 1024
BODY_WITHIN_S: Final = 10.0
NOBODY: Final = ""
"""The source under which deliveries to no webhook, or with a wrong secret, are counted."""

Answer = tuple[int, str, bytes]
TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Hook:
    """The webhook of a source: the hash of its secret, and the networks that may call it; none: any."""

    source: Source
    secret: bytes
    networks: tuple[Network, ...] = ()


class _RefusedError(Exception):
    """A request that ends with an error status."""

    def __init__(self, status: HTTPStatus, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(status.phrase)
        self.status, self.headers = status, headers


def hooks(sources: Mapping[str, Source]) -> dict[str, Hook]:
    """Return the webhooks of the sources that have one."""
    found = {}
    for name, source in sources.items():
        own = source.settings
        if isinstance(own, PushSettings) and own.webhook_secret and CALL_EVENT in source.feeds:
            found[name] = Hook(source, digest(own.webhook_secret.get_secret_value()), own.allowed_networks)
    return found


def digest(secret: str) -> bytes:
    """Return the hash that is compared instead of the secret: of one length, whatever was sent."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


NO_SECRET: Final = bytes(32)


def record(source: str, delivery: Delivery) -> bytes:
    """Encode a delivery for the write-ahead log: the source's name, then the line that `unpack_deliveries` reads."""
    return source.encode() + b"\n" + pack_deliveries([delivery])


class Receiver:
    """The ASGI endpoint that receives deliveries.

    Args:
        webhooks: by source.
        journal: the write-ahead log that they are written to.
        on_answer: called with the source and the status of every answer.
        proxies: whose X-Forwarded-For is trusted.
        decide: answers a delivery that asks for a call route; it may take a while and runs in a thread.
    """

    def __init__(
        self,
        webhooks: Mapping[str, Hook],
        journal: Journal,
        on_answer: Callable[[str, int], None],
        proxies: Sequence[Network] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        decide: Callable[[Source, Delivery], Answer] = lambda source, delivery: acknowledged(
            source, delivery
        ),
    ) -> None:
        self._hooks, self._journal, self._counted = webhooks, journal, on_answer
        self._proxies, self._clock, self._decide = proxies, clock, decide

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        name = NOBODY
        more: Sequence[tuple[bytes, bytes]] = ()
        try:
            if scope["method"] not in METHODS:
                raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, [(b"allow", b"GET, POST")])
            hook = self._admitted(scope)
            name = hook.source.name
            answer = await self._taken(hook, scope, receive)
        except _RefusedError as refused:
            more = refused.headers
            answer = refused.status, TEXT, refused.status.phrase.encode()
        except ClientDisconnect:
            return
        self._counted(name, answer[0])
        await _send(send, answer, more)

    def _admitted(self, scope: Scope) -> Hook:
        """Return the webhook that a request names, if its secret and network are right.

        Raises:
            _RefusedRequestError: they are not (404).
        """
        given = scope["path_params"]
        hook = self._hooks.get(given["source"].lower())
        # compared even without a webhook: the time it takes must not show which sources exist
        is_right = hmac.compare_digest(digest(given["secret"]), hook.secret if hook else NO_SECRET)
        if hook is None or not is_right:
            raise _RefusedError(HTTPStatus.NOT_FOUND)
        if hook.networks:
            peer = scope["client"][0] if scope.get("client") else ""
            at = caller(peer, _values(scope, b"x-forwarded-for"), self._proxies)
            if at is None or not inside(at, hook.networks):
                log.warning(
                    "%s: a delivery from %s, which is in none of its allowed networks", hook.source.name, at
                )
                raise _RefusedError(HTTPStatus.NOT_FOUND)
        return hook

    async def _taken(self, hook: Hook, scope: Scope, receive: Receive) -> Answer:
        """Write a delivery to the log, then answer as the vendor expects."""
        if len(scope["query_string"]) > MOST_QUERY:
            raise _RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG)
        delivery = Delivery(
            self._clock(),
            scope["method"],
            scope["query_string"].decode("latin-1"),
            next(iter(_values(scope, b"content-type")), ""),
            await _body(scope, receive),
        )
        try:
            await self._journal.append(record(hook.source.name, delivery))
        except OutputError as error:
            log.error("%s: a delivery was refused: %s", hook.source.name, error)
            raise _RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, [(b"retry-after", b"30")]) from None
        if is_question(hook.source, delivery):
            return await asyncio.to_thread(self._decide, hook.source, delivery)
        return acknowledged(hook.source, delivery)


def is_question(source: Source, delivery: Delivery) -> bool:
    """Say whether a delivery asks where to route a call, by the vendor's own ``question``."""
    return isinstance(source.vendor, CallRouter) and source.vendor.read_question(delivery) is not None


def acknowledged(source: Source, delivery: Delivery) -> Answer:
    """Return the vendor's own answer to a stored delivery; an empty 200 if it has none."""
    if not isinstance(source.vendor, DeliveryAcknowledger):
        return HTTPStatus.OK, TEXT, b""
    try:
        return source.vendor.acknowledge_delivery(delivery, source.settings)
    except Exception:  # the delivery is stored: making the vendor send it again would not help
        log.exception("%s: the answer to a delivery could not be made", source.name)
        return HTTPStatus.OK, TEXT, b""


async def _body(scope: Scope, receive: Receive) -> bytes:
    """Read a body within its limits of size and time."""
    declared = next(iter(_values(scope, b"content-length")), "0")
    if not declared.isdecimal() or int(declared[:12]) > MOST_BODY:
        raise _too_long()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            return await _parts(receive)
    except TimeoutError:
        raise _RefusedError(HTTPStatus.REQUEST_TIMEOUT, [(b"connection", b"close")]) from None


async def _parts(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BODY:
            raise _too_long()
        if not message.get("more_body"):
            return b"".join(parts)


def _too_long() -> _RefusedError:
    return _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, [(b"connection", b"close")])


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


async def _send(send: Send, answer: Answer, more: Sequence[tuple[bytes, bytes]]) -> None:
    status, kind, body = answer
    headers = [(b"content-type", kind.encode("latin-1")), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
