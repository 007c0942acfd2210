"""Free memory is the least of what the machine and the group of the process have left."""

from __future__ import annotations

import math

import pytest

from edge2torch._core import memory


@pytest.fixture
def system(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_TOLD", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory, "_OWN_GROUP", tmp_path / "own")
    return tmp_path


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_nothing_told_is_no_limit(system):
    assert memory.free_memory() == math.inf
    (system / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:      8 kB\n")
    assert memory.free_memory() == 8192


@pytest.mark.parametrize("inside", ["", "job/7"], ids=["at the root", "in a group below"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_group_may_have_less_than_the_machine(system, inside, version):
    (system / "meminfo").write_text("MemAvailable: 1000000 kB\n")
    if version == 2:
        write(system / "groups" / inside, memory__max="5000\n", memory__current="3000\n",
              memory__stat="anon 7\ninactive_file 500\n")  # fmt: skip
        (system / "own").write_text("0::/job/7\n")
    else:
        write(system / "groups" / "memory" / inside, memory__limit_in_bytes="5000\n",
              memory__usage_in_bytes="3000\n", memory__stat="total_inactive_file 500\n")  # fmt: skip
        (system / "own").write_text("9:pids:/\n4:memory:/job/7\n")
    assert memory.free_memory() == 2500


def test_a_group_without_a_limit_says_nothing(system):
    (system / "meminfo").write_text("MemAvailable: 8 kB\n")
    write(system / "groups", memory__max="max\n", memory__current="3000\n")
    assert memory.free_memory() == 8192
