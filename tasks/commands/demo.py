"""`demo`: on a fresh machine, everything needed and then the whole job on the embedded default."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.commands.base import DeployCommand, option, shown
from tasks.output import console

if TYPE_CHECKING:
    from tasks.model.instance import Instance
    from tasks.paths import Paths
    from tasks.secret import Secret

USER = "demo"
EMAIL = "demo@example.com"


class Demo(DeployCommand):
    name = "demo"
    doc_purpose = "deploy the sample application on this machine and print its address"
    doc_usage = ""
    needs_root = True
    changes = True
    options = (
        option("real", bool, False, "the newest published Vikunja instead, with a user to log in"),
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.builds.sample import make_repository
        from tasks.commands.apply import Request, apply_all
        from tasks.config import load_instances
        from tasks.containers.drivers import local_driver
        from tasks.host.packages import ensure, ensure_user_ids
        from tasks.output.plan_text import duration
        from tasks.paths import ROOT, host_paths

        begun = time.monotonic()
        paths = host_paths()
        ensure(("git", *local_driver().packages), console.Lines())
        ensure_user_ids()
        name = "demo-real.yaml" if options["real"] else "demo.yaml"
        (instance,) = load_instances((ROOT / "examples" / name,))
        if instance.git is not None:
            make_repository(Path(instance.git.repository))
        code = apply_all((instance,), paths, Request(yes=True, invite=False))
        if code == 0:
            if options["real"]:
                welcome(let_in(instance, paths))
            console.note(f"Served after {duration(time.monotonic() - begun)}. Try:")
            console.note(f"  ./doit plan --config {shown(instance)}")
            console.result(f"https://{instance.network.interface.ip}/")
        return code


def let_in(instance: Instance, paths: Paths) -> Secret[str]:
    """The new password of the demo's user, who is added where nobody has that name."""
    from tasks.workflows import people
    from tasks.workflows.application import at_work
    from tasks.workflows.passwords import random_password

    password = random_password()
    with at_work(instance, paths, "user", warn=console.warning) as work:
        if USER in [user.username for user in people.list_users(work)]:
            people.reset_password(work, USER, password)
        else:
            people.add(work, USER, EMAIL, password)
    return password


def welcome(password: Secret[str]) -> None:
    console.note(f"User {USER}, password {password.reveal()}")
