"""Every error Colisten raises on purpose: one sentence that says what is wrong and what to do.

ColistenError            exit code 1
├── SettingsError        2   a setting or argument cannot be right
├── DataError            3   the listening data breaks the contract
├── GraphError           4   Neo4j cannot be reached, used or trusted
├── IndexStoreError      5   Qdrant cannot be reached, used or trusted
├── WorkdirError         6   the working folder is missing, foreign or in use
└── OutOfSpaceError      7   the disk is full
"""

from __future__ import annotations


class ColistenError(Exception):
    """The base of all errors a user is meant to read; `str(error)` is the sentence."""

    exit_code = 1


class SettingsError(ColistenError):
    """A setting or command-line argument that cannot be right."""

    exit_code = 2


class DataError(ColistenError):
    """Listening data that breaks the contract as a whole (single bad rows are set aside)."""

    exit_code = 3


class GraphError(ColistenError):
    """Neo4j cannot be reached, used or trusted."""

    exit_code = 4


class IndexStoreError(ColistenError):
    """Qdrant cannot be reached, used or trusted."""

    exit_code = 5


class WorkdirError(ColistenError):
    """The working folder is missing, of another version, or used by another process."""

    exit_code = 6


class OutOfSpaceError(ColistenError):
    """The disk is full."""

    exit_code = 7
