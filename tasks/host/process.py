"""Programs of the host, all of which are started here; and folders.

What the tool waits for runs on `sh` (`run`, `run_by_line`, `execute`). What a plan starts does not,
for a plan need not import it (`run_quickly`), nor do programs with streams for input and output
(`start`): docs/decisions/0052-programs-on-sh.md says why, and what either costs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from tasks.errors import DeployError, ResourceError
from tasks.host.interrupts import PutOff

EVIDENCE_LINES = 20
INTERRUPT_SECONDS = 0.25
"""What a program has to end by the Ctrl-C that it got, too, until it is killed."""

DEVNULL, PIPE, STDOUT = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
Process = subprocess.Popen
TimedOut = subprocess.TimeoutExpired
"""A program did not end in time and was killed; with what it said until then."""


class Completed(Struct, frozen=True):
    """A finished command. The container's command's own exit code, byte-exact output."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes


def last_lines(text: bytes | str, count: int = EVIDENCE_LINES) -> tuple[str, ...]:
    """The last lines that say something, oldest first."""
    decoded = text.decode(errors="replace") if isinstance(text, bytes) else text
    lines = [line.rstrip() for line in decoded.splitlines() if line.strip()]
    return tuple(lines[-count:])


def execute(
    argv: Sequence[str],
    *,
    where: str = "",
    hint: str = "",
    timeout: float = 60,
    environment: Mapping[str, str] | None = None,
    check: bool = True,
    lock: int | None = None,
    quickly: bool = False,
) -> Completed:
    """Run a program of the host without input; a non-zero exit raises DeployError if check.

    lock: a lock's descriptor that the program holds as well, so that it outlives this process.
    quickly: as run_quickly does, for what a plan starts.
    """
    try:
        if quickly:
            completed = run_quickly(argv, timeout=timeout, environment=environment)
        else:
            completed = run(argv, timeout=timeout, environment=environment, lock=lock)
    except FileNotFoundError as error:
        raise ResourceError(
            f"{argv[0]} is not installed",
            where=where,
            hint="`./doit check` names the Debian packages that are missing",
        ) from error
    except TimedOut as error:
        raise DeployError(
            f"{argv[0]} did not finish in {timeout:g} s",
            where=where,
            hint=hint,
            evidence=last_lines(error.stderr or b""),
        ) from error
    if check and completed.returncode != 0:
        raise DeployError(
            f"{argv[0]} failed with exit code {completed.returncode}",
            where=where,
            hint=hint,
            evidence=last_lines(completed.stderr or completed.stdout),
        )
    return completed


def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
    folder: str = "/",
    merge: bool = False,
    group: bool = False,
    lock: int | None = None,
) -> Completed:
    """Run a program of the host to its end, whatever its exit code; below 0: a signal's number.

    merge: what it says on stderr is in stdout. group: it leads a session of its own, which is
    killed as a whole. lock: see execute. Raises OSError where it cannot be started, and TimedOut.
    """
    with _in_memory() as given, _in_memory() as output, _in_memory() as errors:
        given.write(stdin)
        given.seek(0)
        how: dict[str, Any] = {"_err_to_out": True} if merge else {"_err": errors}
        how |= {"_in": given, "_out": output, "_cwd": folder}
        with _running(argv, environment, how, lock=lock, group=group) as running:
            if not ends_within(running.pid, timeout):
                raise TimedOut(argv, timeout or 0, _content(output), _content(errors))
        return Completed(tuple(argv), _code(running), _content(output), _content(errors))


def run_by_line(
    argv: Sequence[str],
    show: Callable[[str], None],
    *,
    stdin: IO[bytes],
    environment: Mapping[str, str],
) -> int:
    """Run a program of the host and hand over each line that it says, on stderr as well, as it
    comes; its exit code. Where `show` raises, it is killed."""
    import sh

    how = {"_in": stdin, "_err_to_out": True, "_cwd": "/"}
    how |= {"_iter": True, "_tty_out": False, "_decode_errors": "replace"}
    with (
        _running(argv, environment, how) as running,
        contextlib.suppress(sh.ErrorReturnCode),
    ):
        for line in running:
            show(line)
    return _code(running)


def run_quickly(
    argv: Sequence[str], *, environment: Mapping[str, str] | None, timeout: float
) -> Completed:
    """The same for what a plan starts: it leads a session of its own, as with `group`. Raises
    OSError and TimedOut like `run`."""
    with PutOff() as interrupts, start(argv, environment=environment) as process:
        try:
            with interrupts.let_through():
                output, errors = process.communicate(timeout=timeout)
        except BaseException:
            kill_group(process)
            raise
    return Completed(tuple(argv), process.returncode, output, errors)


def start(
    argv: Sequence[str],
    *,
    stdin: IO[bytes] | int = DEVNULL,
    stdout: IO[bytes] | int = PIPE,
    stderr: IO[bytes] | int = PIPE,
    environment: Mapping[str, str] | None = None,
    folder: str | None = None,
    program: str | None = None,
) -> Process[bytes]:
    """Start a program whose input and output are streams, in a session of its own.

    program: its path, where that is not to be looked for in the environment's PATH. Whoever starts
    it waits for it, and kills it. Raises OSError.
    """
    return subprocess.Popen(
        argv,
        executable=program,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        cwd=folder,
        start_new_session=True,
    )


def kill_group(process: Process[bytes]) -> None:
    """Kill a program that was started so, with all that it started. Ended already is success."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def ends_within(pid: int, timeout: float | None) -> bool:
    """Whether a program that this process started ends in time. It is left to be collected."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))
    finally:
        os.close(descriptor)


def _in_memory() -> IO[bytes]:
    """A file for what goes to a program or comes from it. A pipe would have to be read meanwhile,
    and lasts as long as whatever the program leaves running."""
    return os.fdopen(os.memfd_create("stream"), "w+b")


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


@contextmanager
def _running(
    argv: Sequence[str],
    environment: Mapping[str, str] | None,
    how: dict[str, Any],
    *,
    lock: int | None = None,
    group: bool = False,
) -> Iterator[Any]:
    """Within it a program runs on sh; an exception kills it. how: sh's own words. Raises OSError
    where it cannot be started."""
    how |= {"_pass_fds": set() if lock is None else {lock}, "_new_session": group}
    how["_env"] = None if environment is None else dict(environment)
    with PutOff() as interrupts:
        running = _start_on_sh(argv, how, lock)
        try:
            with interrupts.let_through():
                yield running
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt) and not group
            if not (interrupted and ends_within(running.pid, INTERRUPT_SECONDS)):
                with contextlib.suppress(ProcessLookupError):
                    running.kill_group() if group else running.kill()
            _code(running)
            raise


def _start_on_sh(argv: Sequence[str], how: Mapping[str, Any], lock: int | None) -> Any:
    import sh

    try:
        command = sh.Command(argv[0], os.get_exec_path(how["_env"]))
    except sh.CommandNotFound:
        found = errno.EACCES if Path(argv[0]).exists() else errno.ENOENT
        raise OSError(found, os.strerror(found), argv[0]) from None
    with _signals_blocked() as restore:
        try:
            # Else it would wait where nobody can kill it.
            return command(
                *argv[1:], _bg=True, _bg_exc=False, _preexec_fn=partial(restore, lock), **how
            )
        except sh.ForkException as error:
            number = int(re.findall(r"\[Errno (\d+)\]", str(error))[-1])
            raise OSError(number, os.strerror(number), argv[0]) from error


@contextmanager
def _signals_blocked() -> Iterator[Callable[[int | None], None]]:
    """Within it no signal is handled in this thread. Yields what a child calls before it becomes
    the program: that gets signals as from anybody, and holds a lock where one is given.

    Until then a child of sh is a copy of this process: an exception in it, such as Ctrl-C raises,
    would go on with all that this one does.
    """
    handled = [one for one in signal.valid_signals() if callable(signal.getsignal(one))]
    hangup = signal.getsignal(signal.SIGHUP)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

    def restore(lock: int | None) -> None:
        # sh lets what runs in the background ignore it.
        signal.signal(signal.SIGHUP, hangup if hangup is signal.SIG_IGN else signal.SIG_DFL)
        # Python's own, which Popen takes back as well.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if lock is not None:
            os.set_inheritable(lock, True)

    try:
        yield restore
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _code(running: Any) -> int:
    """A program's exit code, once it has ended."""
    import sh

    with contextlib.suppress(sh.ErrorReturnCode):
        running.wait()
    code: int = running.exit_code
    return code


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def mounts_below(folder: Path, mountinfo: str) -> list[str]:
    """Mount points at or below a folder, the deepest first."""
    found = []
    for line in mountinfo.splitlines():
        # The kernel writes space, tab, newline and backslash as octal escapes.
        point = line.split(" ", 5)[4].encode().decode("unicode_escape")
        if point == str(folder) or point.startswith(f"{folder}/"):
            found.append(point)
    return sorted(found, key=len, reverse=True)


def unmount_below(folder: Path, where: str = "") -> None:
    for point in mounts_below(folder, Path("/proc/self/mountinfo").read_text()):
        execute(
            ["umount", point],
            where=where,
            hint=f"`fuser -vm {point}` shows what holds it; stop that and try again",
        )


def remove_tree(folder: Path, where: str = "") -> None:
    """Remove a folder with what is mounted in it unmounted first. Gone already is success."""
    unmount_below(folder, where)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def uses_apparmor(module: Path = Path("/sys/module/apparmor/parameters/enabled")) -> bool:
    """Whether this kernel confines with AppArmor and LXC can load a profile for a container."""
    enabled = module.is_file() and module.read_text().strip() == "Y"
    return enabled and shutil.which("apparmor_parser") is not None
