"""`check`: validates the configuration and the world it needs; changes nothing."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from tasks.commands.base import JSON_OPTION, DeployCommand, load, load_sound, option, select
from tasks.errors import ConfigError
from tasks.output import console

if TYPE_CHECKING:
    from tasks.model.finding import Finding
    from tasks.paths import Paths

COLORS = {"ok": "green", "warning": "yellow", "problem": "red"}


class Check(DeployCommand):
    name = "check"
    doc_purpose = "look whether an apply can work; change nothing"
    doc_usage = "[ID...]"
    needs_root = True
    options = (
        JSON_OPTION,
        option("role", bool, False, "print the commands that grant the API token what it needs"),
    )

    def perform(self, options: Mapping[str, Any], arguments: list[str]) -> int:
        from tasks.paths import host_paths

        if options["role"]:
            from tasks.checks.run import role

            console.result("\n".join(role(select(load(options), arguments))))
            return 0
        findings = find(options, arguments, host_paths())
        if options["json"]:
            console.result(json.dumps(document(findings), indent=2, ensure_ascii=False))
        else:
            show(findings)
        return exit_code(findings)


def find(options: Mapping[str, Any], arguments: Sequence[str], paths: Paths) -> list[Finding]:
    """All findings. Of a file that has problems nothing but those: what else to look at would be a
    guess."""
    from tasks.checks.run import check_all
    from tasks.model.finding import from_configuration, from_instances

    try:
        instances, wrong = (load(options, arguments), None) if arguments else load_sound(options)
    except ConfigError as error:
        return from_configuration(error)
    findings = from_configuration(wrong) if wrong else []
    if not instances:
        return findings
    chosen = select(instances, arguments)
    return [*findings, from_instances(chosen), *check_all(chosen, paths)]


def exit_code(findings: Sequence[Finding]) -> int:
    """That of the first problem."""
    return next((finding.exit_code for finding in findings if finding.exit_code), 0)


def document(findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "exit_code": exit_code(findings),
        "findings": [asdict(finding) for finding in findings],
    }


def show(findings: Sequence[Finding]) -> None:
    for finding in findings:
        console.result(line(finding))
    console.result(summary(findings))


def line(finding: Finding) -> str:
    """`problem  vikunja-main: git: no branch or tag named 'mian' → nearest: main`"""
    level = console.styled(finding.level.ljust(7), COLORS[finding.level], sys.stdout)
    advice = f" → {finding.hint}" if finding.hint else ""
    return f"{level}  {finding.where}: {finding.topic}: {finding.what}{advice}"


def summary(findings: Sequence[Finding]) -> str:
    """`12 ok, 1 warning, 2 problems`"""
    counts = Counter(finding.level for finding in findings)
    words = [f"{counts['ok']} ok"]
    for level in ("warning", "problem"):
        if count := counts[level]:
            words.append(f"{count} {level}{'s' if count > 1 else ''}")
    return ", ".join(words)
