"""The questions of `init`, and the configuration that their answers make; pure but for `check`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from msgspec import Struct

from tasks.config.finding import parse
from tasks.config.load import load_data
from tasks.config.memo import Memo
from tasks.config.sample import EXAMPLE, commented
from tasks.config.schema import subschema
from tasks.containers.drivers import DRIVERS, proposed
from tasks.errors import Problem
from tasks.model.instance import DriverName

SOURCES = ("release", "git")
"""Sections of the configuration of which one says where the application comes from."""

Answers = Mapping[str, str]
"""Option name (`ip_address`) → what was answered or given."""


def _always(_: Answers) -> bool:
    return True


def _nothing(_: Answers) -> str:
    return ""


class Question(Struct, frozen=True):
    """option: with underscores, its flag has hyphens. key: of the configuration, empty for none.

    wanted: whether it is asked at all, given the answers before it. default: taken where nothing
    is answered or given; empty: an answer is needed unless `optional`. suggestion: offered to
    somebody who is asked, never taken unasked. asked: by itself; else it is only taken as a flag.
    """

    option: str
    key: str
    text: str
    wanted: Callable[[Answers], bool] = _always
    default: Callable[[Answers], str] = _nothing
    suggestion: Callable[[Answers], str] = _nothing
    optional: bool = False
    asked: bool = True

    @property
    def flag(self) -> str:
        return "--" + self.option.replace("_", "-")

    def place(self, answer: str) -> str:
        """The key that an answer is of: what is no channel is a version."""
        version = self.option == "release" and answer not in subschema(parse(self.key))["enum"]
        return "release.version" if version else self.key


def questions(driver: DriverName, node: str) -> tuple[Question, ...]:
    """driver: what this machine is made for. node: its own name as a node of Proxmox VE."""
    at_node = driver == "proxmox"

    def remote(answers: Answers) -> bool:
        """A node reaches itself; everybody else says how one is reached."""
        chosen = answers.get("connection", "local" if at_node else "https")
        return _in_proxmox(answers) and chosen != "local"

    def over_https(answers: Answers) -> bool:
        return remote(answers) and answers.get("connection") == "https"

    return (
        Question("instance_id", "deployment.instance_id", "Name of the instance",
                 default=lambda _: "vikunja-main"),
        Question("driver", "", "Where its container lives: proxmox, or lxc on this machine",
                 default=lambda _: driver),
        Question("connection", "proxmox.connection.type",
                 "How Proxmox VE is reached from here: https or openssh",
                 wanted=_in_proxmox, suggestion=lambda _: "https",
                 optional=at_node, asked=not at_node),
        Question("host", "proxmox.connection.host",
                 "Name or address of a node, such as pve.example.com", wanted=remote),
        Question("ssh_user", "proxmox.ssh.user", "User of ssh there, who can do what root can",
                 wanted=remote, default=lambda _: "root"),
        Question("token_file", "proxmox.connection.token_file",
                 "File with the API token, USER@REALM!NAME=VALUE (chmod 600)", wanted=over_https),
        Question("fingerprint", "proxmox.connection.fingerprint",
                 "SHA-256 fingerprint of its certificate, as `pvenode cert info` shows it "
                 "(nothing: an authority speaks for it)", wanted=over_https, optional=True),
        Question("node", "proxmox.node", "Proxmox node", wanted=_in_proxmox,
                 default=lambda answers: node if at_node and not remote(answers) else "",
                 suggestion=_first_label),
        Question("ip_address", "network.ip_address",
                 "Address of the container with its prefix length, such as 192.168.1.50/24",
                 suggestion=_free_address),
        Question("gateway", "network.gateway", "Gateway", default=_first_address),
        Question("domain", "network.domain", "Domain of the site, such as vikunja.example.com"),
        Question("email", "admin.email", "E-mail address of the administrator",
                 suggestion=lambda answers: f"admin@{answers['domain']}"),
        Question("database", "database.type", "Database: sqlite, postgresql or mysql",
                 default=lambda _: "sqlite"),
        Question("database_host", "database.host",
                 "Server of the database (nothing: in the container)",
                 wanted=lambda answers: answers["database"] != "sqlite", optional=True),
        Question("database_user", "database.user", "User on that server",
                 wanted=_has_server, default=lambda _: "vikunja"),
        Question("database_password_file", "database.password_file",
                 "File with that user's password (chmod 600)", wanted=_has_server),
        Question("source", "",
                 "The application: release (as published) or git (built here, from a repository)",
                 default=lambda _: "release"),
        Question("release", "release.channel",
                 "Which release: stable (the newest, now and later), or one that stays, as v2.5.0",
                 wanted=_published, default=lambda _: "stable"),
        Question("repository", "git.repository", "Git repository of the application",
                 wanted=_built, default=lambda _: subschema(("git", "repository"))["examples"][0]),
        Question("branch", "git.branch", "Branch or tag",
                 wanted=_built, default=lambda _: "main"),
    )  # fmt: skip


def _in_proxmox(answers: Answers) -> bool:
    return answers["driver"] == "proxmox"


def _published(answers: Answers) -> bool:
    return answers["source"] == "release"


def _built(answers: Answers) -> bool:
    return answers["source"] == "git"


def _first_label(answers: Answers) -> str:
    """The host that is asked, as nodes are mostly called."""
    host = answers.get("host", "")
    return "" if ":" in host or host.replace(".", "").isdigit() else host.partition(".")[0]


def _has_server(answers: Answers) -> bool:
    return bool(answers.get("database_host"))


def _free_address(answers: Answers) -> str:
    """Where the bridge is the tool's own, so is the subnet."""
    makers = [name for name, driver in DRIVERS.items() if driver().makes_networks]
    return "10.98.0.20/24" if answers["driver"] in makers else ""


def _first_address(answers: Answers) -> str:
    """The first address of the subnet, where gateways usually are."""
    try:
        network = ip_interface(answers.get("ip_address", "")).network
    except ValueError:
        return ""
    return str(network.network_address + 1) if network.num_addresses > 2 else ""


def document(asked: tuple[Question, ...], answers: Answers) -> dict[str, Any]:
    """What the answers say, as the configuration has it."""
    given: dict[str, Any] = {answers["driver"]: {}} if "driver" in answers else {}
    for question in asked:
        if question.key and (value := answers.get(question.option)):
            *sections, name = question.place(value).split(".")
            inner = given
            for section in sections:
                inner = inner.setdefault(section, {})
            inner[name] = value
    return given


def absolute(option: str, value: str, folder: Path) -> str:
    """A path on the command line is relative to the caller's folder, not to the file's."""
    if option.endswith("_file") or value.startswith(("./", "../")):
        return os.path.abspath(folder / value)  # noqa: PTH100 - links stay links
    return value


def problems(
    asked: tuple[Question, ...], answers: Answers, output: Path
) -> Iterator[tuple[Question, Problem]]:
    """What is wrong with the answers so far; what has not been asked yet is assumed to be right.

    output: the file that the configuration goes to; relative paths start in its folder.
    """
    driver = answers.get("driver") or proposed()
    if driver not in DRIVERS:
        question = next(item for item in asked if item.option == "driver")
        yield question, Problem("", 0, "", f'"{driver}" is none of {", ".join(DRIVERS)}')
        return
    source = answers.get("source", "release")
    if source not in SOURCES:
        question = next(item for item in asked if item.option == "source")
        yield question, Problem("", 0, "", f'"{source}" is none of {", ".join(SOURCES)}')
        return
    chosen = {*DRIVERS, *SOURCES}
    given = {name: dict(section) for name, section in EXAMPLE.items() if name not in chosen}
    given[source] = dict(subschema((source,))["examples"][0])
    given[driver] = dict(EXAMPLE.get(driver, {}))
    answered = document(asked, answers)
    if "release" in answered:
        given.pop("release", None)
    for name, section in answered.items():
        given.setdefault(name, {}).update(section)
    text = commented(given)
    by_key = {one.place(answers.get(one.option, "")): one for one in asked}
    for problem in load_data(text.encode("utf-8", "replace"), output, Memo(None)).problems:
        asked_for = by_key.get(problem.key)
        if asked_for and asked_for.option in answers:
            yield asked_for, problem
