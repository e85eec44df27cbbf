"""Brings events to those who wait for them."""

from __future__ import annotations

import logging
from collections import deque
from threading import RLock
from typing import Any

from ._handle import Handle
from .errors import Error
from .events import Event, EventKind

LOG = logging.getLogger("networkdb")

ROWS = frozenset((EventKind.ROW_CREATED, EventKind.ROW_UPDATED, EventKind.ROW_DELETED, EventKind.RESYNC))
REQUESTS = frozenset(
    (EventKind.JOINED, EventKind.LEFT, EventKind.SPREAD, EventKind.SENT, EventKind.NETWORK_JOINED)
)

ROOM = 10_000
"""Events of a queue that nobody takes."""


def conflate(events: deque[Event]) -> deque[Event]:
    """The same news of rows with at most one event for each row."""
    newest: dict[tuple[str, str, str], Event] = {}
    start: list[Event] = []
    for event in events:
        if event.kind == EventKind.RESYNC:
            start, newest = [event], {}
            continue
        row = (event.network, event.table, event.key)
        both = _both(newest.pop(row, None), event)
        if both is not None:
            newest[row] = both
    return deque([*start, *newest.values()])


def _both(first: Event | None, then: Event) -> Event | None:
    """Two events of a row as one; `None` if nothing has changed."""
    if first is None:
        return then
    was = first.previous if first.kind != EventKind.ROW_CREATED else None
    if was is None and then.value is None:
        return None
    if was is None:
        kind = EventKind.ROW_CREATED
    else:
        kind = EventKind.ROW_DELETED if then.value is None else EventKind.ROW_UPDATED
    return Event(
        kind, id=then.id, network=then.network, table=then.table, key=then.key, value=then.value, previous=was
    )


class Queue:
    """Events that wait for one reader."""

    def __init__(self) -> None:
        self.events: deque[Event] = deque()
        self.room = ROOM
        self.over = False

    @property
    def full(self) -> bool:
        """Whether nothing may be added until something was taken."""
        return False

    def take(self) -> Event | None:
        """The next, if one waits."""
        return self.events.popleft() if self.events else None

    def put(self, event: Event) -> None:
        """Keeps an event."""
        self.events.append(event)


class Rows(Queue):
    """Those of a watch. Of a row that changed again and again while nobody looked, only the newest value is kept."""

    def put(self, event: Event) -> None:
        self.events.append(event)
        if len(self.events) > self.room:
            self.events = conflate(self.events)
            self.room = max(ROOM, 2 * len(self.events))


class News(Queue):
    """All others. The oldest are dropped, and the reader is told how many."""

    def __init__(self) -> None:
        super().__init__()
        self.missed = 0

    def take(self) -> Event | None:
        if self.missed:
            missed, self.missed = self.missed, 0
            return Event(EventKind.MISSED, number=missed)
        return super().take()

    def put(self, event: Event) -> None:
        self.events.append(event)
        if len(self.events) > self.room:
            self.events.popleft()
            self.missed += 1


class Updates(Queue):
    """Those of a sync client, of which none may be lost: while it is full no more are taken, and so the server is read no further."""

    def __init__(self) -> None:
        super().__init__()
        self.room = 1_024

    @property
    def full(self) -> bool:
        return len(self.events) >= self.room


class Router:
    """The queues of a node."""

    def __init__(self, handle: Handle, *, news: Queue) -> None:
        self.handle = handle
        self.lock = RLock()
        self.news = news
        self.failure: Error | None = None
        self._watches: dict[int, Rows] = {}
        self._requests: dict[int, Event | None] = {}

    def request(self, request: dict[str, Any]) -> int:
        """Asks for what ends in an event, and keeps that event when it comes. Returns its id."""
        with self.lock:
            number: int = self.handle.command(request)["request"]
            self._requests[number] = None
            return number

    def answer(self, number: int) -> Event | None:
        """How a request ended, if it has."""
        return self._requests.get(number)

    def forget(self, number: int) -> None:
        """Nobody waits for this request any more."""
        with self.lock:
            self._requests.pop(number, None)

    def watch(self, request: dict[str, Any]) -> tuple[int, Rows]:
        """A new watch and what it will tell."""
        with self.lock:
            number: int = self.handle.command(request)["watch"]
            rows = self._watches[number] = Rows()
            return number, rows

    def unwatch(self, number: int) -> None:
        """Ends a watch."""
        with self.lock:
            rows = self._watches.pop(number, None)
            if rows is None:
                return
            rows.over = True
            if not self.handle.closed and self.failure is None:
                self.handle.command({"op": "unwatch", "watch": number})

    def route(self, event: Event) -> None:
        """Puts an event where it belongs."""
        with self.lock:
            if event.kind in ROWS:
                if (rows := self._watches.get(event.id)) is not None:
                    rows.put(event)
            elif event.kind in REQUESTS and event.id in self._requests:
                self._requests[event.id] = event
            else:
                self.news.put(event)
        if event.kind == EventKind.WARNING:
            LOG.warning("%s%s", event.text, f" ({event.addr})" if event.addr else "")

    def fail(self, error: Error) -> None:
        """There will be no more events."""
        if self.failure is None:
            self.failure = error
