"""The container's own Debian: what of it is to be updated, and how long it is supported."""

from __future__ import annotations

import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from instance_samples import sample_instance
from msgspec.structs import replace
from standing_samples import NOW, RUNNING, with_inside

from tasks.guest.runner import script_text
from tasks.model import layout
from tasks.resources.base import Facts, UnitFact
from tasks.status import guest_facts, health, measured, packages
from tasks.status.metrics import metrics
from tasks.status.notes import notes
from tasks.status.package_rules import package_notes
from tasks.status.packages import Packages
from tasks.status.rules import Note
from tasks.status.view import packages_text, page

FINE = Packages("trixie", 0, 0, tried=NOW - timedelta(hours=10))
LOG = "`journalctl -u vikunja-updates` in the container says more"
REBUILD = "./doit rebuild vikunja-main brings it to a newer Debian, see docs/staying.md"
BOOKWORM = "Debian 12 (bookworm)"
UNHOLD = "`apt-mark unhold` in the container lets them go"


def warning(what: str, hint: str) -> Note:
    return Note("warning", what, hint, "container")


def good_to_know(what: str, hint: str) -> Note:
    return Note("note", what, hint, "container")


def on(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00+00:00")


@pytest.mark.parametrize(
    ("found", "now", "said"),
    [
        (FINE, NOW, []),
        (replace(FINE, release="sid"), on("2040-01-01"), None),
        (replace(FINE, release=""), on("2026-01-01"), None),
        # A year before the end, to the day.
        (replace(FINE, release="bookworm", tried=None), on("2027-07-01"), []),
        (
            replace(FINE, release="bookworm", tried=None),
            on("2027-07-02"),
            [
                warning(
                    f"{BOOKWORM} gets security updates until 2028-06-30, for 364 days more",
                    REBUILD,
                )
            ],
        ),
        (
            replace(FINE, release="bookworm", tried=None),
            on("2028-07-01"),
            [
                Note(
                    "unhealthy",
                    f"{BOOKWORM} gets no security updates any more, since 2028-06-30",
                    REBUILD,
                    "container",
                )
            ],
        ),
        # What waits for security is no news where it installs itself.
        (
            replace(FINE, pending=4, security=1),
            NOW,
            [
                good_to_know(
                    "1 update that fixes security waits",
                    "They install themselves in their next window, where nothing holds them back",
                )
            ],
        ),
        (
            replace(FINE, pending=4, security=2, by_themselves=False, tried=None),
            NOW,
            [
                warning(
                    "2 updates that fix security wait",
                    "system.updates: security installs them; so does `apt upgrade` inside",
                )
            ],
        ),
        (replace(FINE, pending=4), NOW, []),
        (replace(FINE, pending=None, security=None, tried=None), NOW, []),
        (
            replace(FINE, failure="the lists did not come"),
            NOW,
            [
                warning(
                    "updates of packages failed on 2025-10-19: the lists did not come",
                    f"{LOG}; they are tried again in their next window",
                )
            ],
        ),
        # A weekly window was missed.
        (replace(FINE, tried=NOW - timedelta(days=9)), NOW, []),
        (
            replace(FINE, tried=NOW - timedelta(days=9, minutes=1)),
            NOW,
            [
                warning(
                    "no updates of packages were tried since 2025-10-10",
                    f"Is vikunja-updates.timer active there? {LOG}",
                )
            ],
        ),
        (
            replace(FINE, held=("curl", "nginx")),
            NOW,
            [good_to_know("packages are held back from updates: curl, nginx", UNHOLD)],
        ),
        (
            replace(FINE, outdated=("libc6",)),
            NOW,
            [
                good_to_know(
                    "libraries were updated since they were loaded: libc6",
                    "./doit plan vikunja-main shows by what, ./doit apply vikunja-main replaces it",
                )
            ],
        ),
    ],
)
def test_it_needs_a_hand(found: Packages, now: datetime, said: list[Note] | None) -> None:
    if said is None:
        assert "Debian" not in str(list(package_notes("vikunja-main", found, now)))
        return
    assert list(package_notes("vikunja-main", found, now)) == said


def test_a_machine_that_waits_for_a_restart_is_said() -> None:
    found = notes(replace(RUNNING, restart_pending=True), NOW)
    assert [one.what for one in found] == [
        "its machine waits for a restart, for an update of its own"
    ]
    assert found[0].level == "warning"
    assert notes(replace(RUNNING, restart_pending=None), NOW) == ()


def test_what_the_container_says_is_read() -> None:
    instance = sample_instance()
    answer = "\x1e".join(["suite bookworm", "held curl nginx ", "pending 7 2", "now 1", ""])
    facts = Facts(
        probes={measured.question(instance)[1:]: answer},
        texts={layout.UPDATES: "1760868000 the lists did not come"},
        units={
            "nginx.service": UnitFact("loaded", "active", "enabled", False, (), ("libssl3",)),
            "a.service": UnitFact("loaded", "active", "enabled", False, (), ("libc6", "libssl3")),
        },
    )
    found = guest_facts.build_plan(instance, facts).packages
    tried = datetime.fromtimestamp(1760868000, UTC)
    assert found == Packages(
        "bookworm", 7, 2, ("curl", "nginx"), ("libc6", "libssl3"), True, tried,
        "the lists did not come",
    )  # fmt: skip
    assert ("text", layout.UPDATES) in guest_facts.questions(instance)
    # Of before they were switched off nothing is said.
    off = sample_instance(system={"updates": "none"})
    facts = replace(facts, probes={measured.question(off)[1:]: answer})
    found = guest_facts.build_plan(off, facts).packages
    assert found is not None
    assert (found.by_themselves, found.tried, found.failure) == (False, None, "")
    assert guest_facts.build_plan(instance, Facts()).packages is None


def test_what_nobody_could_tell_is_not_known() -> None:
    assert packages.parse({}, "", (), True) == Packages("", None, None)
    assert packages.parse({"pending": "0 0"}, "17 ok", (), True).failure == ""
    assert Packages("", None, None).supported_until is None
    assert (Packages("sid", None, None).label, Packages("", None, None).label) == (
        "Debian (sid)",
        "Debian",
    )


def test_the_day_of_the_end_is_debian_s_own() -> None:
    assert Packages("bookworm", 0, 0).supported_until == date(2028, 6, 30)
    assert Packages("trixie", 0, 0).supported_until == date(2030, 6, 30)


def test_document_page_and_metrics_say_it() -> None:
    standing = replace(
        with_inside(packages=replace(FINE, pending=3, security=1, held=("curl",))),
        restart_pending=True,
    )
    document = health.document(standing, notes(standing, NOW), NOW)
    assert document["restart_pending"] is True
    assert document["packages"] == {
        "release": "trixie",
        "supported_until": "2030-06-30",
        "pending": 3,
        "pending_security": 1,
        "held": ["curl"],
        "outdated": [],
        "updated_at": "2025-10-19T02:00:00Z",
        "update_failure": None,
    }
    line = "trixie until 2030-06-30, 3 updates pending (1 for security), updated 10 h ago"
    assert f"Debian          {line}\n" in page(standing, document, NOW)
    text = metrics([(standing, document)]).decode()
    for sample in (
        'pending_updates{instance_id="vikunja-main",kind="all"} 3.0',
        'pending_updates{instance_id="vikunja-main",kind="security"} 1.0',
        'held_packages{instance_id="vikunja-main"} 1.0',
        'machine_restart_pending{instance_id="vikunja-main"} 1.0',
        'last_updates_timestamp_seconds{instance_id="vikunja-main",outcome="success"}',
        'release_support_end_timestamp_seconds{instance_id="vikunja-main",release="trixie"}',
    ):
        assert f"vikunja_deploy_{sample}" in text, text


def test_what_is_not_known_is_in_neither() -> None:
    standing = with_inside(packages=Packages("", None, None, tried=NOW, failure="x"))
    document = health.document(standing, (), NOW)
    assert packages_text(document["packages"], NOW) == "unknown, updated just now, failed"
    text = metrics([(standing, document)]).decode()
    assert 'last_updates_timestamp_seconds{instance_id="vikunja-main",outcome="failure"}' in text
    for name in ("pending_updates{", "support_end_timestamp_seconds{", "restart_pending{"):
        assert name not in text
    # Documents of before have neither.
    older = {k: v for k, v in document.items() if k not in ("packages", "restart_pending")}
    assert "held_packages{" not in metrics([(standing, older)]).decode()
    assert "Debian" not in page(RUNNING, health.document(RUNNING, (), NOW), NOW)


LISTING = """\
Inst libssl3 [3.0.14-1] (3.0.17-1 Debian-Security:12/oldstable-security [amd64]) []
Inst curl [7.88.1-1] (7.88.1-2 Debian:12.15/oldstable, Debian-Security:12/x [amd64])
Inst tzdata [2025a] (2025b Debian:12.15/oldstable [all])
Inst linux-new (6.1 Debian-Security:12/oldstable-security [amd64])
Conf libssl3 (3.0.17-1 Debian-Security:12/oldstable-security [amd64])
"""


def test_what_is_pending_is_counted_once_after_each_change(tmp_path: Path) -> None:
    run, programs = tmp_path / "run", tmp_path / "programs"
    programs.mkdir()
    (programs / "apt-get").write_text(
        f"#!/bin/sh\necho asked >>{tmp_path}/asked\ncat <<'END'\n{LISTING}END\n"
    )
    (programs / "stat").write_text(f"#!/bin/sh\ncat {tmp_path}/moments\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    script = script_text("measure").replace("/run/vikunja-deploy", str(run))

    def pending(moments: str) -> str:
        (tmp_path / "moments").write_text(moments)
        return subprocess.run(
            ["sh", "-c", f"{script}\n_pending_packages"],
            env={"PATH": f"{programs}:/usr/bin:/bin"},
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    assert pending("1.5\n2.5\n") == "pending 3 2\n"
    assert pending("1.5\n2.5\n") == "pending 3 2\n"
    assert (tmp_path / "asked").read_text() == "asked\n"
    assert pending("1.5\n3.5\n") == "pending 3 2\n"
    assert (tmp_path / "asked").read_text() == "asked\n" * 2
