"""Every error a user can meet, and the exit code each ends with.

    DeployError                 1   failed
    ├── UsageError              3   bad usage
    │   └── ConfigError         3   configuration problems, all of a run at once
    ├── ResourceError           4   a resource is missing or taken
    │   └── CertificateError    4   no authority gave one; all else is done
    ├── LockedError             5   another operation holds the instance
    ├── NetworkError            6
    ├── DatabaseError           7
    ├── GitError                8
    ├── BuildError              9
    ├── UnhealthyError          10
    ├── RolledBackError         11  failed, and put back
    ├── RollbackFailedError     12  failed, manual work needed
    ├── CancelledError          20  by the user
    │   └── CancelledBackError  20  and put back
    └── StalePlanError          21

An error says in one line where and what; `hint` says what to do next, and
`evidence` holds the last lines of whatever shows it (a log, a command's stderr).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class DeployError(Exception):
    """What failed, where, what shows it, and what to do.

    where: file and line, instance, container or step; may be empty.
    hint: one sentence that says what to type or change; may be empty.
    evidence: lines, oldest first.
    """

    exit_code = 1

    def __init__(
        self, what: str, *, where: str = "", hint: str = "", evidence: Sequence[str] = ()
    ) -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.what = what
        self.where = where
        self.hint = hint
        self.evidence = tuple(evidence)


class UsageError(DeployError):
    exit_code = 3


class Problem(Struct, frozen=True, order=True):
    """One thing that is wrong in a configuration file.

    line: 1-based; 0 where the file as a whole is meant.
    key: dotted path (`resources.memory_mb`), empty for the file as a whole.
    """

    file: str
    line: int
    key: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (where, self.key, self.what) if part)


class ConfigError(UsageError):
    """All problems of a configuration, sorted by file and line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ResourceError(DeployError):
    exit_code = 4


class CertificateError(ResourceError):
    """An authority gave no certificate. All else that was to be done is done: the site serves, with
    the certificate that it had, or one of its own making. address: of the resource that it is."""

    def __init__(
        self,
        address: str,
        what: str,
        *,
        where: str = "",
        hint: str = "",
        evidence: Sequence[str] = (),
    ) -> None:
        super().__init__(what, where=where, hint=hint, evidence=evidence)
        self.address = address


class LockedError(DeployError):
    exit_code = 5


class NetworkError(DeployError):
    exit_code = 6


class DatabaseError(DeployError):
    exit_code = 7


class GitError(DeployError):
    exit_code = 8


class BuildError(DeployError):
    exit_code = 9


class UnhealthyError(DeployError):
    exit_code = 10


class RolledBackError(DeployError):
    exit_code = 11


class RollbackFailedError(DeployError):
    exit_code = 12


class CancelledError(DeployError):
    exit_code = 20


class CancelledBackError(CancelledError):
    """What was there before serves on."""


class StalePlanError(DeployError):
    exit_code = 21
