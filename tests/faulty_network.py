"""A network that fails on purpose, between a real server and its clients: an ASGI middleware.

``POST /_faults`` sets what goes wrong, ``GET /_requests`` tells what was asked and forgets it.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

Receive = Any
Send = Any


class CutConnectionError(Exception):
    """Ends a connection in the middle of an answer."""


class FaultyNetwork:
    """Passes requests on, but for those that a fault is set for.

    A fault is ``{"path": part of the URL, "kind": …, "skip": requests that pass before, "times": requests it meets}``
    with ``status`` and ``headers`` (kind ``status``), ``seconds`` (kind ``hang``), or ``body`` (kind ``canned``).
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._faults: list[dict[str, Any]] = []
        self._requests: list[str] = []

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == "/_faults":
            self._faults = json.loads((await receive())["body"])
            await _answer(send, 200, b"{}")
        elif scope["path"] == "/_requests":
            asked, self._requests = self._requests, []
            await _answer(send, 200, json.dumps(asked).encode())
        else:
            await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        url = f"{scope['path']}?{scope['query_string'].decode()}"
        self._requests.append(url)
        fault = self._fault_of(url)
        kind = fault["kind"] if fault else "none"
        if kind == "status":
            headers = [(name.encode(), value.encode()) for name, value in fault.get("headers", {}).items()]
            await _answer(send, fault["status"], b'{"errors": [{"detail": "on purpose"}]}', headers)
        elif kind == "garbage":
            await _answer(send, 200, b"<html>a proxy's page</html>")
        elif kind == "canned":
            await _answer(send, 200, json.dumps(fault["body"]).encode())
        elif kind == "circle":
            await self._next_is_itself(scope, receive, send, url)
        elif kind == "broken_page":
            await self._shortened(scope, receive, send, cut=False)
        elif kind == "cut":
            await self._shortened(scope, receive, send, cut=True)
        else:
            await asyncio.sleep(fault["seconds"] if kind == "hang" else 0)
            await self._app(scope, receive, send)

    def _fault_of(self, url: str) -> dict[str, Any]:
        for fault in self._faults:
            if fault["path"] not in url:
                continue
            if fault.get("skip", 0) > 0:
                fault["skip"] -= 1
            elif fault.get("times", 1) > 0:
                fault["times"] = fault.get("times", 1) - 1
                return fault
        return {}

    async def _whole(self, scope: dict[str, Any], receive: Receive) -> tuple[dict[str, Any], bytes]:
        """The real answer, uncompressed."""
        messages: list[dict[str, Any]] = []
        plain = scope | {"headers": [one for one in scope["headers"] if one[0] != b"accept-encoding"]}

        async def collect(message: dict[str, Any]) -> None:
            messages.append(message)

        await self._app(plain, receive, collect)
        return messages[0], b"".join(message.get("body", b"") for message in messages[1:])

    async def _shortened(self, scope: dict[str, Any], receive: Receive, send: Send, *, cut: bool) -> None:
        """Half of the answer: as if that were all, or with the connection lost."""
        start, body = await self._whole(scope, receive)
        half = body[: len(body) // 2]
        length = len(body) if cut else len(half)
        headers = [one for one in start["headers"] if one[0] != b"content-length"]
        await send(start | {"headers": [*headers, (b"content-length", str(length).encode())]})
        await send({"type": "http.response.body", "body": half, "more_body": cut})
        if cut:
            raise CutConnectionError

    async def _next_is_itself(self, scope: dict[str, Any], receive: Receive, send: Send, url: str) -> None:
        _, body = await self._whole(scope, receive)
        page = json.loads(body)
        host = dict(scope["headers"])[b"host"].decode()
        page["links"] = {"next": f"http://{host}{url}"}
        await _answer(send, 200, json.dumps(page).encode())


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})
