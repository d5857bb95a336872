"""Webhooks, `/hooks/SOURCE/SECRET`: a delivery is acknowledged once it is in the write-ahead log.

A wrong source, secret or network all get the same 404, so that nobody learns which of them was wrong. The endpoint is
bare ASGI, for speed: vendors send deliveries by the thousand.
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

from wfm.collect.sources import ConfiguredSource
from wfm.core.errors import OutputError
from wfm.service.client_address import IpNetwork, is_in_networks, resolve_client_address
from wfm.service.write_ahead_log import WriteAheadLog
from wfm.vendors import CALL_EVENT, CallRouter, Delivery, DeliveryAcknowledger, PushSettings, pack_deliveries

log = logging.getLogger("wfm.webhooks")
ALLOWED_METHODS: Final = ("GET", "POST")
MAX_BODY_BYTES: Final = 64 * 1024
MAX_QUERY_BYTES: Final = 8 * 1024
BODY_TIMEOUT_S: Final = 10.0
NO_SOURCE: Final = ""
"""The source under which deliveries to no webhook, or with a wrong secret, are counted."""

WebhookAnswer = tuple[int, str, bytes]
TEXT_TYPE: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Webhook:
    """The webhook of a source; secret: its hash; networks: those that may call it, empty: any."""

    source: ConfiguredSource
    secret: bytes
    networks: tuple[IpNetwork, ...] = ()


class _RefusedRequestError(Exception):
    """A request that ends with an error status."""

    def __init__(self, status: HTTPStatus, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(status.phrase)
        self.status, self.headers = status, headers


def find_webhooks(sources: Mapping[str, ConfiguredSource]) -> dict[str, Webhook]:
    """Return the webhooks of the sources that have one."""
    found = {}
    for name, source in sources.items():
        own = source.settings
        if isinstance(own, PushSettings) and own.webhook_secret and CALL_EVENT in source.feeds:
            found[name] = Webhook(
                source, hash_secret(own.webhook_secret.get_secret_value()), own.allowed_networks
            )
    return found


def hash_secret(secret: str) -> bytes:
    """Return the hash that is compared instead of the secret; it has the same length whatever was sent."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


NO_SECRET_HASH: Final = bytes(32)
"""Compared where there is no webhook; no secret has this hash."""


def encode_delivery(source: str, delivery: Delivery) -> bytes:
    """Encode a delivery for the write-ahead log: a line with the source's name, then that of `pack_deliveries`."""
    return source.encode() + b"\n" + pack_deliveries([delivery])


class WebhookReceiver:
    """The ASGI endpoint that receives deliveries.

    Args:
        webhooks: by source.
        write_ahead_log: where deliveries are written before they are acknowledged.
        on_answer: called with the source and the status of every answer.
        proxies: whose X-Forwarded-For is trusted.
        clock: the current time (UTC).
        answer_question: answers a delivery that asks where to route a call; it may be slow and runs in a thread.
    """

    def __init__(
        self,
        webhooks: Mapping[str, Webhook],
        write_ahead_log: WriteAheadLog,
        on_answer: Callable[[str, int], None],
        proxies: Sequence[IpNetwork] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        answer_question: Callable[[ConfiguredSource, Delivery], WebhookAnswer] = lambda source, delivery: (
            build_acknowledgement(source, delivery)
        ),
    ) -> None:
        self._webhooks, self._write_ahead_log, self._on_answer = webhooks, write_ahead_log, on_answer
        self._proxies, self._clock, self._answer_question = proxies, clock, answer_question

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        name = NO_SOURCE
        headers: Sequence[tuple[bytes, bytes]] = ()
        try:
            if scope["method"] not in ALLOWED_METHODS:
                raise _RefusedRequestError(HTTPStatus.METHOD_NOT_ALLOWED, [(b"allow", b"GET, POST")])
            hook = self._authenticate(scope)
            name = hook.source.name
            answer = await self._log_and_answer(hook, scope, receive)
        except _RefusedRequestError as refused:
            headers = refused.headers
            answer = refused.status, TEXT_TYPE, refused.status.phrase.encode()
        except ClientDisconnect:  # nobody is there to answer, and the delivery was not complete
            return
        self._on_answer(name, answer[0])
        await _send_answer(send, answer, headers)

    def _authenticate(self, scope: Scope) -> Webhook:
        """Return the webhook that a request names, if its secret and network are right.

        Raises:
            _RefusedRequestError: they are not (404).
        """
        given = scope["path_params"]
        hook = self._webhooks.get(given["source"].lower())
        # compared even without a webhook: the time it takes must not show which sources exist
        is_right = hmac.compare_digest(hash_secret(given["secret"]), hook.secret if hook else NO_SECRET_HASH)
        if hook is None or not is_right:
            raise _RefusedRequestError(HTTPStatus.NOT_FOUND)
        if hook.networks:
            peer = scope["client"][0] if scope.get("client") else ""
            address = resolve_client_address(
                peer, _get_header_values(scope, b"x-forwarded-for"), self._proxies
            )
            if address is None or not is_in_networks(address, hook.networks):
                log.warning(
                    "%s: a delivery from %s, which is in none of its allowed networks",
                    hook.source.name,
                    address,
                )
                raise _RefusedRequestError(HTTPStatus.NOT_FOUND)
        return hook

    async def _log_and_answer(self, hook: Webhook, scope: Scope, receive: Receive) -> WebhookAnswer:
        """Write a delivery to the log, then answer as the vendor expects."""
        if len(scope["query_string"]) > MAX_QUERY_BYTES:
            raise _RefusedRequestError(HTTPStatus.REQUEST_URI_TOO_LONG)
        delivery = Delivery(
            self._clock(),
            scope["method"],
            scope["query_string"].decode("latin-1"),
            next(iter(_get_header_values(scope, b"content-type")), ""),
            await _read_body(scope, receive),
        )
        try:
            await self._write_ahead_log.append(encode_delivery(hook.source.name, delivery))
        except OutputError as error:
            log.error("%s: a delivery was refused: %s", hook.source.name, error)
            raise _RefusedRequestError(HTTPStatus.SERVICE_UNAVAILABLE, [(b"retry-after", b"30")]) from None
        if is_routing_question(hook.source, delivery):
            return await asyncio.to_thread(self._answer_question, hook.source, delivery)
        return build_acknowledgement(hook.source, delivery)


def is_routing_question(source: ConfiguredSource, delivery: Delivery) -> bool:
    """Return whether a delivery asks where to route a call (`wfm.vendors.CallRouter`)."""
    return isinstance(source.vendor, CallRouter) and source.vendor.read_question(delivery) is not None


def build_acknowledgement(source: ConfiguredSource, delivery: Delivery) -> WebhookAnswer:
    """Build the answer that the vendor expects to a stored delivery; without any, an empty 200."""
    if not isinstance(source.vendor, DeliveryAcknowledger):
        return HTTPStatus.OK, TEXT_TYPE, b""
    try:
        return source.vendor.acknowledge_delivery(delivery, source.settings)
    except Exception:  # the delivery is stored: making the vendor send it again would not help
        log.exception("%s: the answer to a delivery could not be made", source.name)
        return HTTPStatus.OK, TEXT_TYPE, b""


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    """Read a body within its limits of size and time."""
    declared = next(iter(_get_header_values(scope, b"content-length")), "0")
    if not declared.isdecimal() or int(declared[:12]) > MAX_BODY_BYTES:
        raise _build_too_long_error()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _read_body_parts(receive)
    except TimeoutError:
        raise _RefusedRequestError(HTTPStatus.REQUEST_TIMEOUT, [(b"connection", b"close")]) from None


async def _read_body_parts(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise _build_too_long_error()
        if not message.get("more_body"):
            return b"".join(parts)


def _build_too_long_error() -> _RefusedRequestError:
    return _RefusedRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, [(b"connection", b"close")])


def _get_header_values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


async def _send_answer(send: Send, answer: WebhookAnswer, headers: Sequence[tuple[bytes, bytes]]) -> None:
    status, content_type, body = answer
    own = [(b"content-type", content_type.encode("latin-1")), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": int(status), "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": body})
