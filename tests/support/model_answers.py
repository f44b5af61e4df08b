"""What the services of a model machine answer, as answers.sh says it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from model_machine import GREEN, SECRETS, Machine, Unit

from tasks.model.layout import MAINTENANCE

NO_ANSWER = "does not answer"


def answers(machine: Machine, arguments: Sequence[str]) -> str:
    name, kind, *more = arguments
    if "curl" not in machine.packages:
        return "unasked"
    serving = "green" if machine.files.get(GREEN) is not None else "blue"
    if "@" in name and not name.endswith(f"@{serving}.service"):
        return "idle"
    unit = machine.unit(name)
    if unit.active != "active" or unit.running is None:
        return "stopped"
    if unit.hangs:
        return NO_ANSWER
    return _KINDS[kind](machine, unit, more)


def _text(unit: Unit) -> str:
    return "\n".join(c.decode(errors="replace") for c in (unit.running or {}).values())


def _backend(machine: Machine, unit: Unit, arguments: Sequence[str]) -> str:
    (port,) = arguments
    text = _text(unit)
    if f'VIKUNJA_SERVICE_INTERFACE="127.0.0.1:{port}"' not in text:
        return NO_ANSWER
    needed = {
        'VIKUNJA_DATABASE_TYPE="postgres"\nVIKUNJA_DATABASE_HOST="127.': "postgresql.service",
        'VIKUNJA_DATABASE_TYPE="mysql"\nVIKUNJA_DATABASE_HOST="127.': "mariadb.service",
        'VIKUNJA_REDIS_ENABLED="true"': "redis-server.service",
    }
    down = [name for said, name in needed.items() if said in text and not up(machine, name)]
    return "answers 500" if down else "well"


def up(machine: Machine, name: str) -> bool:
    unit = machine.unit(name)
    return unit.active == "active" and not unit.hangs


def _mcp(machine: Machine, unit: Unit, arguments: Sequence[str]) -> str:
    (port,) = arguments
    return "well" if f'MCP_HTTP_PORT="{port}"' in _text(unit) else NO_ANSWER


def _redis(machine: Machine, unit: Unit, arguments: Sequence[str]) -> str:
    (port,) = arguments
    text = _text(unit)
    if f"port {port}\n" not in text:
        return NO_ANSWER
    password = (machine.files.content(f"{SECRETS}/redis-password") or b"").strip()
    return "well" if redis_digest(password) in text else "refuses its password"


def redis_digest(password: bytes) -> str:
    return f"#{hashlib.sha256(password).hexdigest()}"


def _site(machine: Machine, unit: Unit, arguments: Sequence[str]) -> str:
    text = _text(unit)
    if refused := proxy_refuses(text, arguments[0]):
        return refused
    if machine.files.get(MAINTENANCE) is not None:
        return "answers 503"
    color = "green" if machine.files.get(GREEN) is not None else "blue"
    backend = machine.unit(f"vikunja-backend@{color}.service")
    (port,) = re.findall(rf"upstream backend_{color} {{\s+server 127.0.0.1:(\d+);", text)
    if backend.hangs:
        return "its page does not come"
    answered = backend.active == "active" and f'"127.0.0.1:{port}"' in _text(backend)
    return "well" if answered else "answers 502"


def proxy_refuses(text: str, site: str) -> str:
    """What keeps nginx with these files from answering for a site (scheme, name and port)."""
    address = urlsplit(site)
    kind = " ssl" if address.scheme == "https" else ""
    if f"listen {address.port}{kind}" not in text:
        return "its page does not come"
    if not re.search(rf"server_name {address.hostname}[ ;]", text):
        return "answers 421"
    return ""


_KINDS = {"backend": _backend, "mcp": _mcp, "redis": _redis, "site": _site}
