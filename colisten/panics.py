"""Errors of libraries in Rust that Python does not count as errors."""

from __future__ import annotations


def is_panic(error: BaseException) -> bool:
    """Whether a library in Rust found its own data impossible: Python gets that as an error that is no `Exception`."""
    return type(error).__name__ == "PanicException"
