"""Request ids: taken from `X-Request-ID` or made, sent back with every answer, and named in the log."""

from __future__ import annotations

import logging
import random
import re
from contextvars import ContextVar

from starlette.datastructures import Headers

HEADER = "x-request-id"
_USABLE = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
_id: ContextVar[str] = ContextVar("colisten_request_id", default="")


def begin(headers: Headers) -> str:
    """The id of the request that this task handles from now on; one that could break a log line is not taken."""
    sent = headers.get(HEADER, "")
    # no secret: the system's own numbers would let go of the interpreter lock, and wait for it again, at each request
    found = sent if _USABLE.fullmatch(sent) else f"{random.getrandbits(64):016x}"
    _id.set(found)
    return found


def current() -> str:
    """The id of the request that this task handles; empty outside of one."""
    return _id.get()


class RequestIdFilter(logging.Filter):
    """Puts the id of the request before a line that is logged while it is handled."""

    def filter(self, record: logging.LogRecord) -> bool:
        if found := current():
            record.msg, record.args = f"[{found}] {record.getMessage()}", None
        return True
