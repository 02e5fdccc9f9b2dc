"""The machine: its processor, the cores to be pinned to, the caches."""

import os
import platform
from pathlib import Path

from matgrad.commands.errors import UsageError

KIB = 2**10
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def all_cores() -> list[int]:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cores(threads: int) -> list[int]:
    """Return a core for each thread: the last ones, for systems do their own work on the first."""
    available = all_cores()
    if threads > len(available):
        raise UsageError(f"cannot measure {threads} threads: there are {len(available)} cores")
    return available[-threads:]


def second_level_cache() -> int:
    """Return the bytes of one core's second-level cache, 1 MiB where the system does not tell."""
    return _caches().get(2, 1024 * KIB)


def last_level_cache() -> int:
    """Return the bytes of the last-level cache, 32 MiB where the system does not tell."""
    caches = _caches()
    return caches[max(caches)] if caches else 32 * 1024 * KIB


def _caches() -> dict[int, int]:
    """Return the bytes of the caches for data by their levels, as Linux tells them."""
    caches = {}
    for cache in CACHES.glob("index*"):
        if (cache / "type").read_text().strip() != "Instruction":
            size = (cache / "size").read_text().strip()
            caches[int((cache / "level").read_text())] = int(size.removesuffix("K")) * KIB
    return caches


def memory() -> int:
    """Return the bytes of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def description() -> str:
    """Return the processor, its caches and the system in one line."""
    mebibytes = [cache / 2**20 for cache in (second_level_cache(), last_level_cache())]
    caches = "L2 {:.3g} MiB a core, last level {:.3g} MiB".format(*mebibytes)
    count = len(all_cores())
    unit = "core" if count == 1 else "cores"
    return f"{_processor()}, {count} {unit}, {caches}; {platform.system()}"


def _processor() -> str:
    """Return the processor's name as Linux knows it, else its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
