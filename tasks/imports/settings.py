"""Vikunja's settings in the keys that they belong to, and what belongs to none; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from tasks.config.environment_rules import OWNED
from tasks.imports import known
from tasks.imports.found import Found, Kind, Setting
from tasks.model.redaction import is_secret
from tasks.secret import Secret

_TRUE = ("1", "t", "true")
_UNITS = {"": 1, "B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_LOOPBACK = re.compile(r"^(127\.|::1\b|localhost)")


class Unplaced(Struct, frozen=True, order=True):
    """What could not be placed: of the installation, why, and what can be done."""

    what: str
    why: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.why}" + (f" {self.hint}" if self.hint else "")


class Placed(Struct):
    """A configuration that grows. document: by section. secrets: contents of files by the dotted
    key that names the file; origins: where each key comes from, by dotted key."""

    document: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, Secret[bytes]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    unplaced: list[Unplaced] = field(default_factory=list)

    def put(self, key: str, value: Any, origin: str) -> None:
        """origin: where it comes from, as it goes on after "From"."""
        *sections, name = key.split(".")
        inner = self.document
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[name] = value
        self.origins[key] = origin

    def put_secret(self, key: str, value: str | bytes, origin: str) -> None:
        data = value.encode() if isinstance(value, str) else value
        self.secrets[key] = Secret(data if data.endswith(b"\n") else data + b"\n")
        self.origins[key] = origin

    def leave_out(self, what: str, why: str, hint: str = "") -> None:
        self.unplaced.append(Unplaced(what, why, hint))


def place_settings(found: Found, placed: Placed, instance_id: str) -> None:
    """Everything that Vikunja itself is told; where the site is, is tasks.imports.site's."""
    settings = dict(found.settings)
    for name, value in known.OTHERWISE.items():
        settings.setdefault(name, Setting(value, known.OWN_DEFAULT))
    done = set(known.LAID_OUT)
    done |= _some(placed, settings, known.PLACES)
    done |= _secret(placed, settings)
    done |= _largest(placed, settings)
    done |= _switched(placed, settings, "mailer", known.MAILER, _encryption)
    done |= _switched(placed, settings, "auth_ldap", known.LDAP)
    done |= _openid(placed, settings)
    done |= _bucket(placed, settings, instance_id)
    done |= _redis(placed, settings)
    done |= _proxies(placed, settings)
    for name in sorted(settings.keys() - done):
        _rest(placed, name, settings[name])


def spelled(name: str) -> str:
    """As Vikunja's documentation has a setting: `service.publicurl`."""
    for section in ("defaultsettings",):
        if name.startswith(f"{section}_"):
            return f"{section}.{name.removeprefix(section)[1:]}"
    return name.replace("_", ".")


def origin_of(name: str, setting: Setting) -> str:
    """As the configuration says it: `/etc/vikunja/config.yml: service.timezone`."""
    if setting.origin == known.OWN_DEFAULT:
        return setting.origin
    return f"{setting.origin}: {spelled(name)}"


def truth(text: str) -> bool:
    """As Vikunja reads it."""
    return text.strip().lower() in _TRUE


def says_nothing(name: str, value: str) -> bool:
    """Whether it is as it would be without being set."""
    default = known.DEFAULTS.get(name)
    if default is None:
        return value == ""
    return value.lower() == default.lower() or (
        default in ("true", "false") and truth(value) == truth(default)
    )


def _some(
    placed: Placed, settings: Mapping[str, Setting], rows: Iterable[tuple[str, str, Kind]]
) -> set[str]:
    done = set()
    for name, key, kind in rows:
        setting = settings.get(name)
        if setting is None:
            continue
        done.add(name)
        if says_nothing(name, setting.value):
            continue
        if kind == "secret":
            placed.put_secret(key, setting.value, origin_of(name, setting))
            continue
        value = _value(setting.value, kind)
        if value is None:
            placed.leave_out(spelled(name), f'"{setting.value}" is no whole number.')
        else:
            placed.put(key, value, origin_of(name, setting))
    return done


def _value(text: str, kind: Kind) -> Any:
    if kind == "bool":
        return truth(text)
    if kind == "number":
        return int(text) if text.strip().isdigit() else None
    if kind == "logs":
        return text.lower() not in ("off", "false", "")
    return text.lower() if kind == "level" else text


def _secret(placed: Placed, settings: Mapping[str, Setting]) -> set[str]:
    """The newer name counts where both are given."""
    names = ("service_secret", "service_jwtsecret")
    for name in names:
        setting = settings.get(name)
        if setting and setting.value and not re.fullmatch(r"<[\w-]+>", setting.value):
            placed.put_secret("vikunja.secret_file", setting.value, origin_of(name, setting))
            break
    else:
        placed.leave_out(
            "service.secret",
            "is not set there, so every start makes another one.",
            "Everybody logs in anew, once; passwords and API tokens hold.",
        )
    return set(names)


def _largest(placed: Placed, settings: Mapping[str, Setting]) -> set[str]:
    name = "files_maxsize"
    setting = settings.get(name)
    if setting and not says_nothing(name, setting.value):
        found = re.fullmatch(r"(\d+)\s*([KMGT]?B?)", setting.value.strip().upper())
        unit = found[2] if found and found[2].endswith("B") else (found[2] + "B" if found else "")
        if found:
            size = int(found[1]) * _UNITS[unit if found[2] else ""]
            placed.put(
                "vikunja.max_upload_mb", max(1, math.ceil(size / 2**20)), origin_of(name, setting)
            )
        else:
            placed.leave_out(spelled(name), f'"{setting.value}" is no size, such as 20MB.')
    return {name}


def _switched(
    placed: Placed,
    settings: Mapping[str, Setting],
    section: str,
    rows: tuple[tuple[str, str, Kind], ...],
    more: Any = None,
) -> set[str]:
    """A section that counts where its `enabled` is true."""
    switch = settings.get(f"{section}_enabled")
    if switch is not None and truth(switch.value):
        done = _some(placed, settings, rows)
        if more:
            more(placed, settings)
        return done
    names = {name for name in settings if name.startswith(f"{section}_")}
    given = [name for name, _, _ in rows if name in settings and _said(name, settings[name])]
    if any(name.endswith("_host") for name in given):
        placed.leave_out(
            f"{spelled(section)}.*", f"is not in use there ({spelled(section)}.enabled)."
        )
    return names


def _said(name: str, setting: Setting) -> bool:
    return setting.value not in ("", known.OTHERWISE.get(name), "localhost")


def _encryption(placed: Placed, settings: Mapping[str, Setting]) -> None:
    forced = settings.get("mailer_forcessl")
    if forced and truth(forced.value):
        placed.put("vikunja.mailer.encryption", "tls", origin_of("mailer_forcessl", forced))
    mailer = placed.document.get("vikunja", {}).get("mailer", {})
    if "user" in mailer and "vikunja.mailer.password_file" not in placed.secrets:
        del mailer["user"]
        placed.leave_out("mailer.username", "has no password there, and needs one.")


def _openid(placed: Placed, settings: Mapping[str, Setting]) -> set[str]:
    prefix = "auth_openid_providers_"
    names = {name for name in settings if name.startswith(("auth_openid_providers", prefix))}
    switch = settings.get("auth_openid_enabled")
    if switch is None or not truth(switch.value):
        if names:
            placed.leave_out("auth.openid.*", "is not in use there (auth.openid.enabled).")
        return names
    providers: dict[str, dict[str, Setting]] = {}
    for name in sorted(names):
        key, _, what = name.removeprefix(prefix).rpartition("_")
        providers.setdefault(key, {})[what] = settings[name]
    listed: list[dict[str, Any]] = []
    for key, given in providers.items():
        provider: dict[str, Any] = {}
        for what, setting in given.items():
            ours = known.OPENID.get(what)
            if ours is None:
                placed.leave_out(f"auth.openid.providers.{key}.{what}", "has no key.")
            elif ours == "client_secret_file":
                at = f"vikunja.auth.openid[{len(listed)}].{ours}"
                placed.put_secret(at, setting.value, f"{setting.origin}: auth.openid.providers")
            elif ours in ("username_fallback", "email_fallback", "force_user_info"):
                provider[ours] = truth(setting.value)
            else:
                provider[ours] = setting.value
        provider.setdefault("name", key)
        if re.sub(r"[^a-z0-9]", "", provider["name"].lower()) != key:
            provider["key"] = key
        listed.append(provider)
    if listed:
        origin = next(iter(next(iter(providers.values())).values())).origin
        placed.put("vikunja.auth.openid", listed, f"{origin}: auth.openid.providers")
    return names


def _bucket(placed: Placed, settings: Mapping[str, Setting], instance_id: str) -> set[str]:
    """Under another prefix: what is put in the new one must not replace what the old one has."""
    names = {name for name in settings if name.startswith("files_s3_")}
    kind = settings.get("files_type")
    if kind is None or kind.value != "s3":
        if any(_said(name, settings[name]) for name in names):
            placed.leave_out("files.s3.*", "is not in use there (files.type).")
        return names
    placed.put("vikunja.files.type", "s3", origin_of("files_type", kind))
    base = settings.get("files_basepath")
    prefix = bucket_prefix(base.value if base else "files")
    placed.put(
        "vikunja.files.s3.prefix",
        f"{prefix}-{instance_id}",
        "files.basepath, for a place beside the old one's objects",
    )
    return _some(placed, settings, known.S3)


def bucket_prefix(path: str) -> str:
    """What the names of objects begin with, before a slash, where attachments are at this path."""
    return path.removeprefix("./").strip("/")


def _redis(placed: Placed, settings: Mapping[str, Setting]) -> set[str]:
    names = {name for name in settings if name.startswith("redis_")}
    switch = settings.get("redis_enabled")
    if switch and truth(switch.value):
        placed.put("redis.enabled", True, origin_of("redis_enabled", switch))
        host = settings.get("redis_host")
        if host and not _LOOPBACK.match(host.value):
            placed.leave_out(
                "redis.host", f"{host.value}: the new instance has a redis of its own.",
                "It holds nothing that lasts.",
            )  # fmt: skip
    return names


def _proxies(placed: Placed, settings: Mapping[str, Setting]) -> set[str]:
    names = {"service_trustedproxies", "service_ipextractionmethod"}
    setting = settings.get("service_trustedproxies")
    if setting:
        proxies = [one for one in re.split(r"[\s,]+", setting.value) if one]
        others = [one for one in proxies if not _LOOPBACK.match(one)]
        if others:
            placed.put(
                "services.frontend.trusted_proxies",
                others,
                origin_of("service_trustedproxies", setting),
            )
    return names


def _rest(placed: Placed, name: str, setting: Setting) -> None:
    """A variable of Vikunja's, or what cannot be one."""
    if says_nothing(name, setting.value):
        return
    for gone, why in known.GONE.items():
        if name == gone or name.startswith(f"{gone}_"):
            if not (gone == "typesense" and setting.value in ("", "false")):
                placed.leave_out(spelled(name), f"is no setting of today's versions: {why}.")
            return
    for key, (why, hint) in OWNED.items():
        owned = key.replace(".", "_")
        if name == owned or name.startswith(f"{owned}_"):
            placed.leave_out(spelled(name), f"{why}.", hint)
            return
    variable, origin = f"VIKUNJA_{name.upper()}", origin_of(name, setting)
    if not _NAME.fullmatch(variable):
        placed.leave_out(spelled(name), "cannot be a variable.", "Is it a setting of Vikunja's?")
    elif is_secret(variable, setting.value):
        placed.put_secret(f"vikunja.secret_files.{variable}", setting.value, origin)
    else:
        placed.put(f"vikunja.environment.{variable}", setting.value, origin)
