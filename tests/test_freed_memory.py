"""Freed memory that is kept is not cleared anew by the system."""

import ctypes
import resource

import pytest
import torch

from colisten.freed_memory import freed_memory_kept


def _pages_cleared() -> int:
    """Page faults while a large tensor is made and freed, again and again."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not hasattr(ctypes.pythonapi, "malloc_trim"), reason="glibc's malloc alone is told")
def test_large_tensors_are_made_of_memory_that_is_there() -> None:
    usual = _pages_cleared()
    with freed_memory_kept():
        _pages_cleared()
        assert _pages_cleared() < usual / 5
    assert _pages_cleared() > usual / 2
