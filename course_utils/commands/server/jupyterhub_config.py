"""JupyterHub for a class, started by ``make server``: system accounts log in, the course is shared read-only.

Everything can be changed by a file of your own, read last: COURSE_SERVER_CONFIG=/etc/course/jupyterhub.py make server.
Options: jupyterhub.readthedocs.io, "Configuration Reference".
"""

import grp
import os
import sys
from pathlib import Path

import course_utils
from course_utils import settings
from course_utils.commands.server import capacity, student

c = get_config()  # noqa: F821 - JupyterHub reads this file and provides it
root = Path(course_utils.__file__).resolve().parent.parent
state = Path(
    os.environ["COURSE_SERVER_STATE"]
)  # the hub's secrets and its list of users; set by make server
host, port = os.environ["COURSE_SERVER_ADDRESS"].rsplit(":", 1)

# --- addresses and the hub's own files

c.JupyterHub.bind_url = f"http://{host}:{port}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{os.environ['COURSE_SERVER_HUB_PORT']}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{os.environ['COURSE_SERVER_PROXY_PORT']}"
c.ConfigurableHTTPProxy.command = os.environ["COURSE_SERVER_PROXY"].split("\n")
c.ConfigurableHTTPProxy.pid_file = str(state / "proxy.pid")
c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
c.JupyterHub.db_url = f"sqlite:///{state / 'jupyterhub.sqlite'}"

# --- who may come in: system accounts of two groups, by their system passwords

groups = {group.gr_name for group in grp.getgrall()}
c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.allowed_groups = {"students", "instructors"} & groups
c.PAMAuthenticator.admin_groups = {
    "instructors"
} & groups  # they see and stop servers at /hub/admin
c.PAMAuthenticator.open_sessions = (
    False  # sessions belong to terminals; they need more rights in a container
)
c.JupyterHub.active_server_limit = capacity.students()  # the next one is told to come back later

# --- a student's server

c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
c.LocalProcessSpawner.popen_kwargs = {
    "umask": 0o077
}  # what a student writes is nobody else's to read
c.Spawner.cmd = [sys.executable, "-m", "course_utils.commands.server.student"]
c.Spawner.notebook_dir = f"~/{student.FOLDER}"
c.Spawner.default_url = "/lab/tree/notebooks/00_start_here.ipynb"
c.Spawner.start_timeout = c.Spawner.http_timeout = (
    180  # seconds: thirty students press the button at once
)
c.Spawner.env_keep = ["LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "VIRTUAL_ENV"]
c.Spawner.env_keep += ["COURSE_BUDGET", "COURSE_LANG", "COURSE_PRECISION"]
c.Spawner.environment = {
    "PYTHONPATH": str(root),
    "PYTHONDONTWRITEBYTECODE": "1",
    "JUPYTER_CONFIG_PATH": str(root / "course_utils" / "commands" / "jupyter"),
    "JUPYTER_PLATFORM_DIRS": "1",
    # one thread a kernel: many kernels share the cores, and spinning threads of one would hold up the others
    "COURSE_THREADS": str(settings.get("COURSE_THREADS") or 1),
    "OMP_NUM_THREADS": str(settings.get("COURSE_THREADS") or 1),
    "OMP_WAIT_POLICY": "PASSIVE",
    "COURSE_KERNEL_GB": str(capacity.kernel_limit()),
}
# a kernel whose page is closed and that does nothing ends after half an hour; a server that nobody uses, after two hours
c.Spawner.args = [
    "--MappingKernelManager.cull_idle_timeout=1800",
    "--MappingKernelManager.cull_interval=300",
]
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=7200"],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle-culler"],
    }
]

own = settings.get("COURSE_SERVER_CONFIG")
if own:
    load_subconfig(str(own))  # noqa: F821
