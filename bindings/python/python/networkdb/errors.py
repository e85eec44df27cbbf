"""What goes wrong, as one class for each status of the C header."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from .events import Event


__all__ = [
    "AlreadyJoinedError",
    "BusyError",
    "ClosedError",
    "ConfigError",
    "DeletedError",
    "Error",
    "ExistsError",
    "HiddenError",
    "InvalidError",
    "KeyringError",
    "MalformedError",
    "MissingError",
    "NotJoinedError",
    "PoisonedError",
    "RequestError",
    "Status",
    "StreamError",
    "SystemRefusedError",
    "TooLargeError",
    "UnannouncedError",
    "UndeliveredError",
    "UnreachableError",
    "UnsupportedError",
    "error_of",
]


class Status(IntEnum):
    """How a call or a request ended. Numbers never change their meaning; new ones may come."""

    OK = 0
    INVALID = 1
    CONFIG = 2
    UNSUPPORTED = 3
    BUSY = 4
    CLOSED = 5
    POISONED = 6
    EMPTY = 7
    TOO_SMALL = 8
    STREAM = 9
    SYSTEM = 10
    REQUEST = 11
    EXISTS = 20
    MISSING = 21
    DELETED = 22
    HIDDEN = 23
    TOO_LARGE = 24
    ALREADY_JOINED = 25
    NOT_JOINED = 26
    UNREACHABLE = 27
    UNANNOUNCED = 28
    KEY = 29
    UNDELIVERED = 30
    MALFORMED = 31


class Error(Exception):
    """The base of all errors of this package.

    `status` is the number of the C header, `text` is for people, `event` is the event that told how a request ended, if one did.
    """

    STATUS: ClassVar[Status | None] = None

    def __init__(self, text: str, *, status: int | None = None, event: Event | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.status = status if status is not None else self.STATUS
        self.event = event

    def __repr__(self) -> str:
        status = self.status.name if isinstance(self.status, Status) else self.status
        return f"{type(self).__name__}({self.text!r}, status={status})"


class InvalidError(Error, ValueError):
    """An argument is wrong."""

    STATUS = Status.INVALID


class ConfigError(Error, ValueError):
    """The settings cannot be read, or one of them cannot work."""

    STATUS = Status.CONFIG


class UnsupportedError(Error):
    """This kind of node cannot do that."""

    STATUS = Status.UNSUPPORTED


class BusyError(Error):
    """Something else drives this node: its host, or a step on another thread."""

    STATUS = Status.BUSY


class ClosedError(Error):
    """The node was closed, or belongs to the process this one was forked from."""

    STATUS = Status.CLOSED


class PoisonedError(Error):
    """A fault of this library ended an earlier call on this node. It can only be closed."""

    STATUS = Status.POISONED


class StreamError(Error, ValueError):
    """A stream that was never opened or accepted."""

    STATUS = Status.STREAM


class SystemRefusedError(Error, OSError):
    """The operating system refused, as when an address is in use."""

    STATUS = Status.SYSTEM


class RequestError(Error, ValueError):
    """The request is not one of this kind of node, or has wrong fields."""

    STATUS = Status.REQUEST


class ExistsError(Error):
    """The row is there already."""

    STATUS = Status.EXISTS


class MissingError(Error, LookupError):
    """There is no such row, network, watch or connection."""

    STATUS = Status.MISSING


class DeletedError(Error, LookupError):
    """The row has been deleted."""

    STATUS = Status.DELETED


class HiddenError(Error, LookupError):
    """The row's owner has failed; it is back when the owner is."""

    STATUS = Status.HIDDEN


class TooLargeError(Error, ValueError):
    """It could not be sent: too many bytes. Of a publication, `taken` says how many updates before it were taken."""

    STATUS = Status.TOO_LARGE
    taken: int = 0


class AlreadyJoinedError(Error):
    """The network is joined already."""

    STATUS = Status.ALREADY_JOINED


class NotJoinedError(Error):
    """The network was never joined. Leaving: own rows in it have become tombstones all the same."""

    STATUS = Status.NOT_JOINED


class UnreachableError(Error, ConnectionError):
    """Nobody could be reached."""

    STATUS = Status.UNREACHABLE


class UnannouncedError(Error):
    """Somebody was reached, but the others could not be told in time."""

    STATUS = Status.UNANNOUNCED


class KeyringError(Error, ValueError):
    """A key has a wrong length, is not installed, is in use, or the node runs without keys."""

    STATUS = Status.KEY


class UndeliveredError(Error, ConnectionError):
    """What was sent was not taken over by the other side."""

    STATUS = Status.UNDELIVERED


class MalformedError(Error, ValueError):
    """The bytes are not of this format."""

    STATUS = Status.MALFORMED


_CLASSES: dict[int, type[Error]] = {
    int(one.STATUS): one for one in Error.__subclasses__() if one.STATUS is not None
}


def error_of(status: int, text: str, event: Event | None = None) -> Error:
    """The error of a status. One that this package does not know yet is a plain `Error`."""
    known = _CLASSES.get(status, Error)
    return known(text, status=Status(status) if status in Status._value2member_map_ else status, event=event)
