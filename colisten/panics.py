"""Errors of libraries in Rust that Python does not count as errors."""

from __future__ import annotations


def is_failure(error: BaseException) -> bool:
    """Whether it is an `Exception`, or a panic: a library in Rust found its own data impossible, which is none."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"
