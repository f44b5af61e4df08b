"""Who runs the tool, and where it looks for programs."""

from __future__ import annotations

import codecs
import io
import locale
import os
import sys
import unicodedata

from tasks.errors import UsageError

UTF8 = ("utf-8", "utf8")
STDERR = 2
PLAIN = "vikunja-deploy-plain"
NEAREST = {"→": "->", "▸": ">", "±": "+-", "–": "-", "—": "-", "•": "*", "·": "."}
"""What stands for a character that a terminal has not."""

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def require_root(what: str, command: str) -> None:
    """Raise UsageError where this process is not root's. command: what to type behind `./doit`."""
    if os.geteuid() != 0:
        raise UsageError(f"{what} needs root", hint=f"Run it as root: sudo ./doit {command}")


def add_system_folders() -> None:
    """Look for programs in an administrator's folders from now on, too."""
    os.environ["PATH"] = with_system_folders(os.environ.get("PATH", ""))


def with_system_folders(path: str) -> str:
    """A PATH with the folders of an administrator's programs: cron's and `su`'s have none."""
    folders = [folder for folder in path.split(os.pathsep) if folder]
    return os.pathsep.join([*folders, *(one for one in SYSTEM_FOLDERS if one not in folders)])


def prepare() -> None:
    """Make of what this process was started with what the tool counts on; once, before anything.

    Programs are found in an administrator's folders, new folders can be passed through (what is
    secret has a mode of its own), no file that is opened stands for a stream that was closed, files
    are UTF-8 and terminals get what they can show. Where that needs another mode of Python, the
    process starts anew.
    """
    _open_streams()
    add_system_folders()
    os.umask(0o022)
    if sys.flags.utf8_mode == 0 and locale.getencoding().lower() not in UTF8:
        # Python reads and writes files in the locale's encoding, but for this.
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    codecs.register_error(PLAIN, plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            terminal = None if "PYTHONIOENCODING" in os.environ else locale.getencoding()
            stream.reconfigure(encoding=terminal, errors=PLAIN)


def _open_streams() -> None:
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def plain(failure: UnicodeError) -> tuple[str, int]:
    """A handler of codecs: what is nearest among the plain characters."""
    if not isinstance(failure, UnicodeEncodeError):
        raise failure
    text = failure.object[failure.start : failure.end]
    return "".join(NEAREST.get(one) or _without_marks(one) for one in text), failure.end


def _without_marks(character: str) -> str:
    decomposed = unicodedata.normalize("NFKD", character)
    return decomposed.encode("ascii", "ignore").decode() or "?"
