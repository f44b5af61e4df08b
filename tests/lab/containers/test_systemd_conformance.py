"""The model of a container held to a real one: units, users and log files, which need its systemd.

tests/unit/resources/test_model_conformance.py has what needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from conformance import WATCHED, Both
from instance_samples import sample_instance
from model_files import Node, folder
from model_machine import UNITS, VENDOR_UNITS, User

from tasks.containers.lxc.container import LxcContainer
from tasks.databases.write_freeze import FREEZE
from tasks.desired import system as system_step
from tasks.desired.rendering import render
from tasks.execution import guest_changes
from tasks.execution.guest_changes import applying
from tasks.execution.switchover import BACK, CONFIRM
from tasks.model.layout import SECRETS
from tasks.resources.base import UnitFact
from tasks.resources.files import Directory, File
from tasks.resources.system import Secret
from tasks.resources.system import User as UserWish

NAME = "conform.service"
VENDOR = f"{VENDOR_UNITS}/{NAME}"
NEEDED = "/srv/needed"
RELOADS = "/run/conform-reloads"
UNIT = f"""\
[Unit]
Description=One that a test made
{{more}}
[Service]
ExecStart=/bin/sleep infinity
ExecReload=/bin/sh -c 'echo >>{RELOADS}'
[Install]
WantedBy=multi-user.target
"""
STANDING, ASSERTING = (UNIT.format(more=more) for more in ("", f"AssertPathExists={NEEDED}"))
HOME = "/var/lib/vikunja-deploy"
COLORS = ("blue", "green")
GREEN = {"/etc/vikunja/active/green": Node("file", b"")}
SWITCH_BACK = "/usr/local/lib/vikunja/switch-back"
VERBS = ("ensure", "restart", "reload", "stop")
RESET = f"""
systemctl stop {NAME}
systemctl --runtime unmask {NAME}
rm -rf {UNITS}/{NAME}* {VENDOR} {RELOADS} {" ".join(WATCHED)}
rm -rf /var/log/vikunja /etc/tmpfiles.d/vikunja.conf
systemctl disable {NAME}
systemctl daemon-reload
systemctl reset-failed
:
"""


@pytest.fixture(scope="module")
def box(make_container: Callable[[str], LxcContainer]) -> Iterator[LxcContainer]:
    container = make_container("conform")
    container.create()
    container.start()
    yield container
    container.destroy()


@pytest.fixture
def both(box: LxcContainer) -> Both:
    box.run(["sh", "-c", RESET])
    return Both(box)


class Watched:
    """A unit of which every step is taken in both, and has to do the same to its process."""

    def __init__(self, both: Both) -> None:
        self.both = both
        self.seen = self._seen()

    def _seen(self) -> tuple[tuple[str, int], tuple[int, int]]:
        ask = f"systemctl show -p MainPID --value {NAME}; cat {RELOADS} 2>/dev/null | wc -l"
        pid, reloads = self.both.real.run(["sh", "-c", ask]).stdout.decode().split()
        unit = self.both.machine.unit(NAME)
        model = unit.starts if unit.active == "active" else 0
        return (pid, int(reloads)), (model, unit.reloads)

    def act(self, verb: str, *health: str, enable: str = "yes") -> UnitFact:
        self.both.run(
            guest_changes.UNIT.argv(NAME, verb, enable, "revision 1", *health), reason=False
        )
        return self.look()

    def look(self) -> UnitFact:
        before, self.seen = self.seen, self._seen()
        changed = [
            [old != new for old, new in zip(one_before, one_after, strict=True)]
            for one_before, one_after in zip(before, self.seen, strict=True)
        ]
        assert changed[0] == changed[1], f"process and reloads: {before} → {self.seen}"
        return self.both.observe(("unit", NAME)).units[NAME]

    def write(self, text: str, path: str = VENDOR) -> None:
        self.both.put({path: Node("file", text.encode())})

    def reload(self) -> None:
        self.both.run(["systemctl", "daemon-reload"])


@pytest.fixture
def unit(both: Both) -> Watched:
    return Watched(both)


@pytest.mark.parametrize("enable", ["yes", "no"])
@pytest.mark.parametrize("verbs", [(a, b) for a in VERBS for b in VERBS])
def test_a_unit_does_what_it_is_told_alike(
    unit: Watched, verbs: Sequence[str], enable: str
) -> None:
    unit.write(STANDING)
    for verb in verbs:
        unit.act(verb, enable=enable)


def test_a_unit_that_is_not_there_is_refused_alike(unit: Watched) -> None:
    for verb in VERBS:
        for enable in ("yes", "no"):
            unit.act(verb, enable=enable)


@pytest.mark.parametrize("verb", VERBS)
def test_a_changed_unit_file_is_taken_up_alike(unit: Watched, verb: str) -> None:
    unit.write(STANDING)
    unit.act("ensure")
    unit.write(f"{STANDING}# edited\n")
    assert unit.look().stale
    unit.act("ensure")
    unit.reload()
    assert not unit.look().stale
    unit.act(verb)
    unit.act("reload")


def test_a_drop_in_is_taken_up_alike(unit: Watched) -> None:
    unit.write(STANDING)
    unit.act("ensure")
    unit.both.put({f"{UNITS}/{NAME}.d": folder()})
    unit.write("[Service]\nNice=1\n", f"{UNITS}/{NAME}.d/vikunja.conf")
    unit.look()
    unit.reload()
    unit.act("reload")


@pytest.mark.parametrize("verb", VERBS)
def test_a_unit_that_cannot_start_fails_alike_until_it_can(unit: Watched, verb: str) -> None:
    unit.write(ASSERTING)
    unit.act(verb)
    unit.act(verb)
    unit.both.put({NEEDED: Node("file", b"content")})
    unit.act("ensure")
    unit.act(verb)


@pytest.mark.parametrize("verb", VERBS)
def test_a_masked_unit_is_there_again_alike(unit: Watched, verb: str) -> None:
    unit.write(STANDING)
    unit.both.put({f"{UNITS}/{NAME}": Node("link", mode="0777", target="/dev/null")})
    unit.reload()
    unit.look()
    unit.act(verb)
    unit.act("ensure")


def test_one_that_is_not_healthy_has_no_stamp_alike(unit: Watched) -> None:
    unit.write(STANDING)
    unit.act("ensure")
    unit.act("ensure", "backend", "1", "-", "0")


def test_users_land_alike(both: Both) -> None:
    # What comes with Debian is the model's own, too.
    both.machine.users["root"] = User("/root", "/bin/bash")
    asked = [("user", name) for name in ("root", "conform", "gone")]
    both.observe(*asked)
    for home in ("/srv/conform", "/srv/other"):
        both.land(
            UserWish(user="conform", home=home),
            Directory(path="/srv/conform", owner="conform", group="conform"),
            File(path="/srv/file", content=b"x", owner="conform", group="conform"),
        )
        both.observe(*asked)
    both.real.run(["userdel", "conform"])


LOGS = """\
d /var/log/vikunja 0755 root root -
f /var/log/vikunja/one.log 0640 www-data adm -
f /var/log/vikunja/two.log 0640 root adm -
"""


def test_log_files_come_back_alike(both: Both) -> None:
    question = ("probe", "log-files", "/var/log/vikunja")
    argv = applying("log-files").argv("/var/log/vikunja")

    def state() -> str:
        return both.observe(question).probes[question[1:]]

    assert state() == "absent"
    both.put({"/etc/tmpfiles.d/vikunja.conf": Node("file", LOGS.encode())})
    assert state() == "absent"
    both.run(argv)
    assert state() == "present"
    both.real.run(["rm", "/var/log/vikunja/one.log"])
    both.machine.files.remove("/var/log/vikunja/one.log")
    assert state() == "removed"
    both.run(argv)
    assert state() == "present"
    both.real.run(["chown", "root", "/var/log/vikunja/one.log"])
    both.machine.files.change("/var/log/vikunja/one.log", owner="root")
    assert state() == "rights-changed"
    both.run(argv)
    assert state() == "present"


def test_a_colors_secrets_are_copied_and_go_alike(both: Both) -> None:
    """Of a color that has no login of its own in any server of the container."""
    names = ("service-secret", "db-password")
    copies = ("color-secrets", "blue", "-", "-", "-", *names)
    left = ("retired-secrets", "blue", "-", "-", "-", "-")

    def state() -> tuple[str, str]:
        probes = both.observe(("probe", *copies), ("probe", *left)).probes
        return probes[copies], probes[left]

    def apply(script: str, *arguments: str, reason: bool = True) -> int:
        return both.run(applying(script).argv(*arguments), reason=reason).returncode

    both.land(
        UserWish(user="vikunja", home="/var/lib/vikunja"),
        Directory(path=SECRETS, mode="0700", owner="vikunja", group="vikunja"),
        *(Secret(path=f"{SECRETS}/{name}", owner="vikunja", group="vikunja") for name in names),
    )
    assert state() == ("absent", "absent")
    assert apply(*copies) == 0
    assert state() == ("present", "left")
    both.edit(f"{SECRETS}/blue/service-secret", lambda content: b"another\n")
    assert state() == ("outdated", "left")
    assert apply(*copies) == 0
    assert state() == ("present", "left")
    # The one that another database is to be come into with goes before.
    both.put({f"{SECRETS}/db-password-next": Node("file", b"next\n", "0600")})
    assert state() == ("outdated", "left")
    assert apply(*copies) == 0
    assert state() == ("present", "left")
    both.real.run(["rm", f"{SECRETS}/service-secret"])
    both.machine.files.remove(f"{SECRETS}/service-secret")
    assert state() == ("outdated", "left")
    assert apply(*copies, reason=False) == 1
    assert apply(*left) == 0
    assert state() == ("absent", "absent")
    both.real.run(["userdel", "vikunja"])


def serving(both: Both, color: str, switching: str) -> None:
    """The color serves, after a switch from `switching` that has yet to be confirmed."""
    instance = sample_instance()
    (script,) = (item for item in system_step.templated(instance) if item.path == SWITCH_BACK)
    text = render(instance, [script])[SWITCH_BACK].content
    both.put({"/usr/local/lib/vikunja": folder(), SWITCH_BACK: Node("file", text, "0755")})
    both.put({"/etc/vikunja/active": folder(), **(GREEN if color == "green" else {})})
    if switching:
        both.put({f"{HOME}/switching": Node("file", f"{switching}\n".encode())})


@pytest.mark.parametrize("switching", ["", *COLORS])
@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("confirmed", COLORS)
def test_a_switch_is_confirmed_alike(
    both: Both, confirmed: str, color: str, switching: str
) -> None:
    serving(both, color, switching)
    for _ in range(2):
        both.run(CONFIRM.argv(confirmed))


@pytest.mark.parametrize(
    ("color", "switching", "back"),
    [("green", "", "blue"), ("green", "blue", "blue"), ("blue", "green", "blue")],
)
def test_a_switch_is_undone_alike(unit: Watched, color: str, switching: str, back: str) -> None:
    """Nothing answers in this container: where there is somebody to serve, it does not."""
    serving(unit.both, color, switching)
    unit.write(STANDING)
    unit.act("ensure")
    unit.both.run(BACK.argv(back, "1", NAME), reason=False)
    unit.look()


def migrate(both: Both, *arguments: str) -> None:
    both.run(FREEZE.argv(*arguments), reason=False)


def test_writes_stop_and_go_on_alike(unit: Watched) -> None:
    unit.both.put({"/etc/vikunja/active": folder(), f"{HOME}/migration": folder()})
    unit.write(STANDING)
    unit.act("ensure")
    migrate(unit.both, "saved")
    migrate(unit.both, "stop", "blue green 1 v1.0.0 60 no", "blue", "1", NAME)
    # It is disabled without that, for the next start of the container.
    unit.reload()
    unit.look()
    migrate(unit.both, "commit", NAME)
    migrate(unit.both, "saved")
    migrate(unit.both, "saved")
    migrate(unit.both, "commit", NAME)
    unit.look()
    migrate(unit.both, "commit", NAME)
