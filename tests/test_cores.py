"""Threads of torch: all cores where they sleep while they wait, else half."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from colisten.cores import torch_threads


@pytest.mark.parametrize(("policy", "workers", "threads"), [("PASSIVE", 1, 8), ("passive", 2, 4), ("", 1, 4)])
def test_threads_that_do_not_sleep_leave_half_of_the_cores(
    monkeypatch: pytest.MonkeyPatch, policy: str, workers: int, threads: int
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    torch.set_num_threads(8)
    try:
        with torch_threads(workers):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 8
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("first", ["import torch", "pass"])
def test_the_command_lets_threads_sleep_unless_torch_is_there_already(first: str) -> None:
    code = f"{first}\nfrom colisten.cli.main import cli\ncli.get_command(None, 'run')\nimport os, torch\n"
    told = code + "print(os.environ.get('OMP_WAIT_POLICY'))"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, env={})
    assert found.stdout.split() == ["None" if first == "import torch" else "PASSIVE"]
