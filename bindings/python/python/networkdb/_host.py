"""Drives a node from an asyncio loop over a `Transport`."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic_ns

from ._handle import Handle
from .errors import Error
from .step import Stepper
from .transport import Transport

LOG = logging.getLogger("networkdb")


class Host:
    """Steps whenever something arrived, a command left work, or the deadline has come; once for all that a turn of the loop brought."""

    def __init__(self, handle: Handle, transport: Transport) -> None:
        self._stepper = Stepper(handle)
        self._transport = transport
        self._wake: int | None = None
        self._due: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Starts the transport and makes the first step."""
        self._loop = asyncio.get_running_loop()
        self._stepper.on_input = self._schedule
        self._wake = self._stepper.wake_fd
        await self._transport.start(self._stepper)
        self._loop.add_reader(self._wake, self._step)
        self._step()

    async def stop(self) -> None:
        """Steps no more, and stops the transport. The node must not be closed yet."""
        self._end()
        await self._transport.stop()

    def _end(self) -> None:
        self._stepper.on_input = None
        if self._wake is not None:
            self._loop.remove_reader(self._wake)
        for due in (self._due, self._timer):
            if due is not None:
                due.cancel()

    def _schedule(self) -> None:
        if self._due is None:
            self._due = self._loop.call_soon(self._step)

    def _step(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            deadline = self._stepper.pump(self._transport)
        except Error as error:
            LOG.error("the node cannot be driven any more: %s", error)
            self._end()
            return
        if deadline is not None:
            seconds = max(0, deadline - monotonic_ns()) / 1e9
            self._timer = self._loop.call_later(seconds, self._step)
