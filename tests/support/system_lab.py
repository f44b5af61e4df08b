"""A container in which the system step's wishes come true, by the real planner and applier."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks import effects, render, switch, system
from tasks.config.make import make_instance
from tasks.config.schema import with_defaults
from tasks.containers.base import SILENT, Completed
from tasks.containers.lxc.driver import LxcContainer
from tasks.errors import DeployError
from tasks.look import Look, Sources
from tasks.model.applied import NOTHING_APPLIED, Applied, finish
from tasks.model.instance import Color, Instance
from tasks.model.plan import Entry, InstancePlan
from tasks.paths import ROOT, Paths
from tasks.planner import Wishes, plan, revived
from tasks.release import Target
from tasks.resources.base import Facts, Resource
from tasks.resources.observe import observe

DOMAIN = "tasks.example.org"
VERSION = "v1.2.3"
SAMPLE = ROOT / "examples" / "sample"


def merged(document: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """The document with more laid over it, section by section."""
    result = dict(document)
    for name, value in more.items():
        below = result.get(name)
        result[name] = merged(below or {}, value) if isinstance(value, dict) else value
    return result


@dataclass
class Inside:
    """A running container and what was applied to it last."""

    container: LxcContainer
    paths: Paths
    applied: Applied = NOTHING_APPLIED
    said: list[str] = field(default_factory=list)

    def instance(self, **wishes: Any) -> Instance:
        spec = self.container.spec
        document = {
            "deployment": {"instance_id": spec.instance_id},
            "lxc": {"name": spec.name},
            "network": {
                "bridge": spec.bridge,
                "ip_address": spec.ip_address,
                "gateway": spec.gateway,
                "domain": DOMAIN,
            },
            "git": {"repository": "https://example.org/vikunja.git"},
            "database": {},
            "admin": {"email": "admin@example.org"},
        }
        filled = with_defaults(merged(document, wishes), Path("/etc/vikunja-deploy"))
        return make_instance(filled, Path("/etc/vikunja-deploy/config.yaml"))

    def wishes(self, instance: Instance, serving: Color | None = None) -> Wishes:
        rendered = render.render(instance, system.templated(instance))
        given = system.read_given(instance)
        steps: dict[str, tuple[Resource, ...]] = {
            "system": system.declare(instance, rendered, given)
        }
        if serving:
            target = Target(None, "sample", VERSION)
            steps["switch"] = switch.declare(instance, serving, rendered, given, target)
        return Wishes(instance.id, steps)

    def plan(self, instance: Instance, serving: Color | None = None) -> tuple[Entry, ...]:
        return self._plan(self.wishes(instance, serving))

    def _plan(self, wishes: Wishes) -> tuple[Entry, ...]:
        known = {resource.address for resource in wishes.resources}
        asked = (*wishes.resources, *revived(self.applied, known))
        facts = observe(self.container, [q for resource in asked for q in resource.questions()])
        return plan(wishes, facts, self.applied)

    def apply(self, instance: Instance, serving: Color | None = None) -> tuple[Entry, ...]:
        """Bring everything about; what was done comes back."""
        wishes = self.wishes(instance, serving)
        entries = self._plan(wishes)
        target = Target(None, "sample", VERSION)
        sources = Sources(instance, {}, system.NOTHING_GIVEN, self.applied)
        instance_plan = InstancePlan(instance.id, entries, {}, {})
        look = Look(
            instance, self.container, sources, target, "blue", Facts(), wishes, instance_plan
        )
        work = effects.Work(
            look=look,
            paths=self.paths,
            progress=SILENT,
            log=self.said.append,
            target=target,
            write_record=self.said.append,
        )
        try:
            effects.apply(entries, work)
        except DeployError as failure:
            failure.add_note("\n".join(failure.evidence))
            raise
        gone = [entry.address for entry in entries if entry.action == "delete"]
        self.applied = finish(self.applied, wishes.resources, gone)
        return entries

    def sh(self, script: str, *arguments: str, check: bool = True, timeout: float = 60) -> str:
        """Run a shell script in the container; its standard output."""
        return self.run(["sh", "-c", script, "sh", *arguments], check, timeout).stdout.decode()

    def run(self, argv: list[str], check: bool = True, timeout: float = 60) -> Completed:
        return self.container.run(argv, check=check, timeout=timeout)

    def put(self, files: Mapping[str, bytes], mode: int = 0o755) -> None:
        """Files of root's, by path; their folders are made."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path, content in files.items():
                member = tarfile.TarInfo(path.lstrip("/"))
                member.size, member.mode = len(content), mode
                archive.addfile(member, io.BytesIO(content))
        self.container.run(["tar", "-xf", "-", "-C", "/"], stdin=buffer.getvalue())


def release(inside: Inside, sample: Path) -> None:
    """Put the sample application and its MCP server into both colours' folders."""
    files = {}
    for color in ("blue", "green"):
        files[f"/opt/vikunja/backend/{color}/vikunja"] = (sample / "vikunja").read_bytes()
        for file in (sample / "mcp-server" / "dist").iterdir():
            files[f"/opt/vikunja/mcp-server/{color}/dist/{file.name}"] = file.read_bytes()
    inside.put(files)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Site:
    """The instance that serves, asked from the host over the container's address."""

    inside: Inside
    instance: Instance

    def connect(self, port: int = 443, timeout: float = 10) -> socket.socket:
        address = self.instance.network.ip_address.split("/")[0]
        plain = socket.create_connection((address, port), timeout)
        if port == self.instance.services.frontend.port:
            return plain
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(plain, server_hostname=DOMAIN)

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        host: str = DOMAIN,
        port: int = 443,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection(host)
        connection.sock = self.connect(port)
        connection.request(method, path, body, {"Host": host, **(headers or {})})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        result = Answer(answer.status, found, answer.read())
        connection.close()
        return result


def release_marker(inside: Inside, color: Color) -> None:
    """Put or remove the marker by which nginx chooses the colour, atomically."""
    marker = "/etc/vikunja/active/green"
    if color == "green":
        inside.sh('touch "$1.new" && mv "$1.new" "$1"', marker)
    else:
        inside.sh('rm -f "$1"', marker)
