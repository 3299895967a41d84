"""Refuses connections to other machines, in this process and in every Python started from it.

``block()`` adds an audit hook (PEP 578): it can't be removed or forgotten, and whatever library asks for the network passes it.
Addresses of this machine stay open, since kernels and JupyterLab talk over them.  Every attempt is also noted in the file
named by COURSE_NETWORK_LOG, so that a swallowed error is found as well.
"""

import ipaddress
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
_blocked = False


class NetworkBlocked(OSError):
    """A connection was asked for while the network is blocked; an OSError, as without a network."""


def is_local(host):
    """Whether a host, as given to the socket module, is this machine (or nothing to look up)."""
    if host is None:
        return True
    text = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else str(host)
    text = text.split("%")[0].lower()
    if text in {"", "localhost", "0.0.0.0", "::"}:
        return True
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return text.endswith(".localhost")


def _refuse(what, host):
    log = os.environ.get("COURSE_NETWORK_LOG")
    if log:
        with open(log, "a", encoding="utf8") as file:
            file.write(f"{what} {host!r} in {' '.join(sys.argv)[:200]}\n")
    raise NetworkBlocked(
        f"The network is blocked in the tests, but {what} was asked for {host!r}: the course works offline."
    )


def _hook(event, arguments):
    if not event.startswith("socket."):
        return
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
        if isinstance(address, tuple) and not is_local(address[0]):
            _refuse(event, address[0])
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = arguments[0]
        numeric = isinstance(host, str) and host.replace(".", "").isdigit()
        if not is_local(host) and not numeric:
            _refuse(event, host)


def block():
    """Block the network here, and through PYTHONPATH in the Pythons started from here (kernels, servers)."""
    global _blocked
    if not _blocked:
        sys.addaudithook(_hook)
        _blocked = True
    folder = str(
        HERE / "offline"
    )  # its sitecustomize.py calls this function at every start of Python
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if folder not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([folder, *filter(None, paths)])
