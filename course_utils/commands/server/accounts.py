"""Other accounts than this one, and this one without its privileges.  Standard library only."""

import ctypes
import os
import subprocess
import sys

FIRST_UID = 61000  # accounts that no system hands out (systemd and Debian leave 60001 to 61183 free for such use)


def accounts_of_their_own():
    """Whether students can be other accounts here: root, and this Python starts as somebody else, too."""
    if os.geteuid() != 0:
        return False
    command = [sys.executable, "-c", "import torch, jupyterhub, jupyterlab"]
    try:
        done = subprocess.run(
            command, user=FIRST_UID, group=FIRST_UID, capture_output=True, cwd="/"
        )
    except PermissionError:
        return False
    return done.returncode == 0


def without_overruling():
    """For root: permission bits hold from here on (CAP_DAC_OVERRIDE leaves the bounding set; a started program comes without it)."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            if libc.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
                raise OSError(ctypes.get_errno(), "prctl")
