"""A container in which the system step's desired come true, by the real planner and applier."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks import execution
from tasks.config.make import make_instance
from tasks.config.schema import with_defaults
from tasks.containers.lxc.container import LxcContainer
from tasks.desired import acme, rendering, system
from tasks.desired.release import ReleaseTarget
from tasks.errors import DeployError
from tasks.host.process import Completed
from tasks.model.applied import NOTHING_APPLIED, Applied
from tasks.model.instance import Color, Instance
from tasks.model.operations import operation
from tasks.model.plan import InstancePlan, PlanEntry
from tasks.paths import ROOT, Paths
from tasks.planning.inputs import Inputs
from tasks.planning.inspection import Inspection
from tasks.planning.planner import Desired, orphans, plan
from tasks.progress import SILENT
from tasks.resources.applied import mark_applied
from tasks.resources.base import Facts, Resource
from tasks.resources.observe import observe

DOMAIN = "tasks.example.org"
VERSION = "v1.2.3"
SAMPLE = ROOT / "examples" / "sample"
TARGET = ReleaseTarget(None, "sample", VERSION)


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

    def instance(self, **desired: Any) -> Instance:
        spec = self.container.spec
        document = {
            "deployment": {"instance_id": spec.instance_id},
            "system": {"updates": "none"},
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
        filled = with_defaults(merged(document, desired), Path("/etc/vikunja-deploy"))
        return make_instance(filled, Path("/etc/vikunja-deploy/config.yaml"))

    def inputs(self, instance: Instance) -> Inputs:
        rendered = rendering.render(instance, system.templated(instance))
        return Inputs(instance, rendered, system.read_host_files(instance), self.applied)

    def desired(self, inputs: Inputs, serving: Color | None = None) -> Desired:
        steps: dict[str, tuple[Resource, ...]] = {"system": inputs.inside}
        if serving:
            steps["switch"] = inputs.switch(serving, TARGET).resources
            steps["record"] = acme.certificate(inputs.instance)
        return Desired(inputs.instance.id, steps)

    def plan(self, instance: Instance, serving: Color | None = None) -> tuple[PlanEntry, ...]:
        return self._plan(self.desired(self.inputs(instance), serving))[0]

    def _plan(self, desired: Desired) -> tuple[tuple[PlanEntry, ...], Facts]:
        known = {resource.address for resource in desired.resources}
        asked = (*desired.resources, *orphans(self.applied, known))
        facts = observe(self.container, [q for resource in asked for q in resource.questions()])
        return plan(desired, facts, self.applied), facts

    def apply(self, instance: Instance, serving: Color | None = None) -> tuple[PlanEntry, ...]:
        """Bring everything about; what was done comes back."""
        inputs = self.inputs(instance)
        desired = self.desired(inputs, serving)
        entries, facts = self._plan(desired)
        instance_plan = InstancePlan(instance.id, entries, {}, {})
        inspection = Inspection(
            instance, self.container, inputs, TARGET, "blue", facts, desired, instance_plan
        )
        context = execution.ApplyContext(
            inspection=inspection,
            paths=self.paths,
            operation=operation(self.paths, instance.id, "deploy"),
            progress=SILENT,
            write_record=lambda _: None,
            done=lambda _: None,
        )
        try:
            for step in desired.steps:
                done = [entry for entry in entries if entry.step == step]
                execution.apply(step, done, context)
        except DeployError as failure:
            failure.add_note("\n".join(failure.evidence))
            raise
        gone = [entry.address for entry in entries if entry.action == "delete"]
        self.applied = mark_applied(self.applied, desired.resources, gone)
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
    """Put the sample application and its MCP server into both colors' folders."""
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

    @property
    def port(self) -> int:
        """Where it serves."""
        frontend = self.instance.services.frontend
        return frontend.ssl_port if frontend.encrypts else frontend.port

    def connect(self, port: int | None = None, timeout: float = 10) -> socket.socket:
        port = port or self.port
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
        port: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection(host)
        connection.sock = self.connect(port or self.port)
        connection.request(method, path, body, {"Host": host, **(headers or {})})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        result = Answer(answer.status, found, answer.read())
        connection.close()
        return result


def release_marker(inside: Inside, color: Color) -> None:
    """Put or remove the marker by which nginx chooses the color, atomically."""
    marker = "/etc/vikunja/active/green"
    if color == "green":
        inside.sh('touch "$1.new" && mv "$1.new" "$1"', marker)
    else:
        inside.sh('rm -f "$1"', marker)


ECHO = """
    const answer = (request, response) => response.end(JSON.stringify(request.headers))
    const upgraded = (request, socket) => socket.end(
        'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: upgrade\\r\\n' +
        'Seen: ' + JSON.stringify(request.headers) + '\\r\\n\\r\\n')
    require('http').createServer(answer).on('upgrade', upgraded).listen(3456, '127.0.0.1')
"""


def start_echo(site: Site, program: str = ECHO) -> None:
    """Put a backend in the place of blue's that answers with a request's headers. program: another
    such, for Node."""
    site.inside.sh(
        """
        systemctl stop vikunja-backend@blue.service
        systemd-run --quiet --unit=echo node -e "$1"
        until curl -sf -o /dev/null http://127.0.0.1:3456/; do sleep 0.1; done
        """,
        program,
    )
