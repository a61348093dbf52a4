"""How many processes suit the limits of a container."""

import pytest

from tenure.process.cores import MEMORY_PER_PROCESS, count_processes

MIB = 1024 * 1024

ROWS = {
    "no limit": ("max 100000", "max", 64, 1),
    "no control group of version 2": ("", "", 64, 1),
    "two cores": ("200000 100000\n", "max\n", 64, 2),
    "two and a half": ("250000 100000", "max", 64, 2),
    "less than one": ("10000 100000", "max", 64, 1),
    "another period": ("40000 10000", "max", 64, 4),
    "fewer cores than the limit": ("800000 100000", "max", 2, 2),
    "too little memory for two": ("200000 100000", str(511 * MIB), 64, 1),
    "memory for two": ("400000 100000", str(512 * MIB), 64, 2),
    "memory for none": ("200000 100000", str(MEMORY_PER_PROCESS // 2), 64, 1),
}


@pytest.mark.parametrize(("cpu_max", "memory_max", "cores", "wanted"), ROWS.values(), ids=ROWS)
def test_there_is_a_process_for_each_given_core(cpu_max: str, memory_max: str, cores: int, wanted: int) -> None:
    assert count_processes(cpu_max, memory_max, cores) == wanted
