"""Running git without a shell, without a prompt and without a secret in argv."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from msgspec import Struct

from tasks.errors import DeployError, GitError, NetworkError
from tasks.host.process import Completed, TimedOut, run_quickly

# What git would otherwise take from a hook or a shell that happens to be around.
FOREIGN = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)

NETWORK = re.compile(
    r"could not resolve host|couldn't resolve host|failed to connect|connection (refused|reset|"
    r"timed out|closed)|network is unreachable|no route to host|operation timed out|"
    r"temporary failure in name resolution|name or service not known|ssl certificate problem|"
    r"server certificate verification failed|gnutls|early eof|unexpected disconnect|"
    r"returned error: 5\d\d|could not resolve proxy|operation too slow|hung up unexpectedly",
    re.IGNORECASE,
)
CREDENTIALS = re.compile(
    r"terminal prompts disabled|could not read (username|password)|authentication failed|"
    r"permission denied|host key verification failed|returned error: 40[13]",
    re.IGNORECASE,
)
DAMAGED = re.compile(
    r"is corrupt\b|\bis empty$|bad object|invalid object|missing (blob|tree|commit)|inflate|"
    r"does not match index|too short to be a packfile|unable to (unpack|read tree)|bad config|"
    r"not a git repository: '|did not send all necessary objects|repository corruption|"
    r"ignoring broken ref",
    re.IGNORECASE | re.MULTILINE,
)
"""git reads what it or a disk has left in another state than it was written in."""
SILENT_SECONDS = 120
"""Without a byte from a server that has answered."""

OWNERSHIP = re.compile(r"dubious ownership", re.IGNORECASE)


class Remote(Struct, frozen=True):
    """A repository's address, with user and password kept apart from it.

    url: safe to show, log and pass in argv.
    """

    url: str
    authorization: str | None = None

    @classmethod
    def parse(cls, repository: str) -> Remote:
        """Take `https://user:secret@host/path` apart; every other address stays as it is."""
        if not repository.startswith(("https://", "http://")):
            return cls(repository)
        parts = urlsplit(repository)
        if "@" not in parts.netloc:
            return cls(repository)
        userinfo, host = parts.netloc.rsplit("@", 1)
        user, _, password = userinfo.partition(":")
        pair = f"{unquote(user)}:{unquote(password)}".encode()
        url = urlunsplit(parts._replace(netloc=host))
        return cls(url, f"Authorization: Basic {base64.b64encode(pair).decode()}")


def environment(remote: Remote, inherited: Mapping[str, str]) -> dict[str, str]:
    """git's environment: the caller's own settings, but no prompt of any kind.

    Credentials go through configuration in the environment, which only this user can read; in
    argv every user of the machine could.
    """
    values = {name: value for name, value in inherited.items() if name not in FOREIGN}
    values |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", "LC_ALL": "C"}
    values["SSH_ASKPASS_REQUIRE"] = "never"
    # A server that has fallen silent in the middle is not waited for until the very end.
    values.setdefault("GIT_HTTP_LOW_SPEED_LIMIT", "1")
    values.setdefault("GIT_HTTP_LOW_SPEED_TIME", str(SILENT_SECONDS))
    if remote.authorization:
        count = int(values.get("GIT_CONFIG_COUNT") or 0)
        values[f"GIT_CONFIG_KEY_{count}"] = f"http.{remote.url}.extraHeader"
        values[f"GIT_CONFIG_VALUE_{count}"] = remote.authorization
        values["GIT_CONFIG_COUNT"] = str(count + 1)
    return values


def run(
    arguments: Sequence[str],
    remote: Remote,
    *,
    timeout: float,
    check: bool = True,
    local: bool = False,
) -> Completed:
    """Run git with the arguments; a failure is a GitError or a NetworkError.

    It runs in a session without a terminal, so that ssh cannot ask either, and that ends with it.
    timeout: seconds. local: what is asked is on this machine.
    """
    try:
        completed = run_quickly(
            ["git", *arguments], environment=environment(remote, os.environ), timeout=timeout
        )
    except FileNotFoundError as error:
        raise GitError("git is not installed", hint="apt-get install git") from error
    except TimedOut as error:
        if local:
            raise GitError(
                f"git had not finished after {timeout:.0f} s",
                where=remote.url,
                hint="is this machine's disk busy, or failing? Then try again",
            ) from error
        raise NetworkError(
            f"no answer within {timeout:.0f} s: git waited for the repository",
            where=remote.url,
            hint="check the network and the address under git.repository",
        ) from error
    if check and completed.returncode:
        raise failure(remote, completed.stderr.decode(errors="replace"))
    return completed


def failure(remote: Remote, stderr: str) -> DeployError:
    """What git's stderr means, as the error that says what to do."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    evidence = lines[-20:]
    if OWNERSHIP.search(stderr):
        path = remote.url.removeprefix("file://")
        return GitError(
            "the repository belongs to another user, which git refuses to read",
            where=remote.url,
            hint=f"git config --global --add safe.directory {path}",
            evidence=evidence,
        )
    if DAMAGED.search(stderr):
        # It ends the connection then, which looks like a network that fails.
        return GitError(
            "the repository itself is damaged",
            where=remote.url,
            hint="mend it there: git fsck says what is wrong, and its clones have what it lacks",
            evidence=evidence,
        )
    if CREDENTIALS.search(stderr):
        return GitError(
            "the repository does not let us in without credentials",
            where=remote.url,
            hint="use a public address, an ssh deploy key, or a git credential helper of the "
            "user who runs this; also check the spelling, many hosts answer so for what does "
            "not exist",
            evidence=evidence,
        )
    if NETWORK.search(stderr):
        return NetworkError(
            "the repository cannot be reached",
            where=remote.url,
            hint="check the network, name resolution and the address under git.repository",
            evidence=evidence,
        )
    what = "the repository cannot be read"
    local = Path(remote.url.removeprefix("file://"))
    if local.is_absolute() and not local.exists():
        what = "there is no such repository"
    return GitError(
        what, where=remote.url, hint="check the address under git.repository", evidence=evidence
    )
