"""A server on loopback that answers with whatever bytes a test says, or with none."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

Writer = asyncio.StreamWriter
REASON = b"Whatever"


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float


Answer = Callable[[Asked], bytes] | Callable[[Asked, Writer], Awaitable[None]]


def reply(body: bytes = b"{}", status: int = 200, /, **headers: str) -> bytes:
    """Write an answer; a header of None is left out, and _ stands for -."""
    told = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in told.items() if value)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def reset(writer: Writer) -> None:
    """Close so that the other side gets a reset."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@dataclass
class Server:
    """Remembers what it was asked; ``script`` answers first, one each, then ``always``."""

    url: str = ""
    always: Answer = lambda _: reply()
    script: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        """Answer one request, and close."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.connections += 1
            asked = await self._read(reader)
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
            try:
                await self._answer(asked, writer)
            finally:
                self.at_once -= 1
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> Asked:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = head[0].split(" ")
        self.asked.append(Asked(method, path, headers, body, time.monotonic()))
        return self.asked[-1]

    async def _answer(self, asked: Asked, writer: Writer) -> None:
        answer = self.script.pop(0) if self.script else self.always
        try:
            writer.write(answer(asked))
        except TypeError:
            await answer(asked, writer)
        await writer.drain()


async def rounds(n: int = 10) -> None:
    """Let the loop do what is pending: a connection takes a few rounds to begin, and a few to be closed."""
    for _ in range(n):
        await asyncio.sleep(0)


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Serve from a thread."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def run() -> None:
        begun: dict[asyncio.Task[None], Writer] = {}

        def begin(reader: asyncio.StreamReader, writer: Writer) -> None:
            begun[asyncio.create_task(server.serve(reader, writer))] = writer

        listening = await asyncio.start_server(begin, "127.0.0.1", 0)
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with listening:
            ready.set()
            await over.wait()
            await (
                rounds()
            )  # a connection that was accepted just now and has not begun is never closed by asyncio
        for task, writer in begun.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*begun, return_exceptions=True)
        await rounds()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
