"""How many students one machine holds, from what a kernel was measured to take (``make server REHEARSE=4`` measures it again)."""

import os

from course_utils import settings

GB = 1e9
SYSTEM = 1.5  # GB for the system, the hub and the proxy
STUDENT_SERVER = 0.14  # GB for a student's JupyterLab, without kernels
KERNEL = 1.8  # GB that a kernel takes at most in the lectures: measured in 05, see the table in README.md
KERNEL_LIMIT = 4  # GB that one program of a student may reserve (address space, more than it uses)


def memory_gb():
    """Memory of this machine in GB; in a container, what the container may use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path, encoding="ascii") as file:
                total = min(total, int(file.read()))
        except (OSError, ValueError):  # not there, or "max"
            pass
    return total / GB


def kernel_limit():
    """GB that one program of a student may reserve; COURSE_KERNEL_GB overrules it (0: no limit)."""
    chosen = settings.get("COURSE_KERNEL_GB")
    return KERNEL_LIMIT if chosen is None else chosen


def students(memory=None, kernel=KERNEL):
    """How many students, each with one open lecture, fit into ``memory`` GB (default: this machine's); COURSE_STUDENTS overrules it."""
    if memory is None and settings.get("COURSE_STUDENTS"):
        return settings.get("COURSE_STUDENTS")
    memory = memory_gb() if memory is None else memory
    return max(1, int((memory - SYSTEM) / (STUDENT_SERVER + kernel)))
