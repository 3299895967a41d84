"""The class server's configuration with invented students on this machine alone; started by rehearsal.py, not for real classes."""

import json
import os
import sys

from jupyterhub.spawner import LocalProcessSpawner

c = get_config()  # noqa: F821 - JupyterHub reads this file and provides it
load_subconfig(os.path.join(os.path.dirname(os.path.abspath(__file__)), "jupyterhub_config.py"))  # noqa: F821
rehearsal = json.loads(os.environ["COURSE_REHEARSAL"])
homes, uids = rehearsal["homes"], rehearsal["uids"]


class InventedStudent(LocalProcessSpawner):
    """LocalProcessSpawner for students who are no accounts of this system: home and user id come from the rehearsal."""

    def make_preexec_fn(self, name):
        def become():
            if name in uids:
                os.setgroups([])
                os.setgid(uids[name])
                os.setuid(uids[name])
            os.umask(0o077)
            os.chdir(homes[name])

        return become

    def user_env(self, env):
        return env | {"USER": self.user.name, "HOME": homes[self.user.name], "SHELL": "/bin/sh"}


c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = rehearsal["password"]
c.Authenticator.allowed_users = set(homes)
c.Authenticator.admin_users = set()
c.JupyterHub.spawner_class = InventedStudent
if not uids and os.geteuid() == 0:
    c.Spawner.args = [*c.Spawner.args, "--allow-root"]
sys.dont_write_bytecode = True
