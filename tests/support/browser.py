"""A real headless Chromium, driven by its own debugging protocol over two pipes.

No driver and no library between: what a test says is what the browser is told. Pages are used as
a person uses them, by clicking what is seen and typing.

It has a network of its own, like another machine on a bridge: it gives up what it loads whenever a
network interface comes or goes beside it, as those of other tests' containers do.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

PROGRAM = "chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--ignore-certificate-errors",
    "--remote-debugging-pipe",
)
LIMIT_SECONDS = 60.0
FIRST_FREE = 10
"""The browser reads from descriptor 3 and writes to 4: the pipes' own must be other ones."""


CONNECTED = 'ip link set lo up && echo alone && read -r _ && exec "$@" </dev/null >/dev/null'
"""A program with a network of its own, once it has been connected."""

CONNECT = """
process=$1 bridge=$2 link=$3 address=$4
ip link add "$link" type veth peer name eth0 netns "$process"
ip link set "$link" master "$bridge" up
nsenter "--net=/proc/$process/ns/net" sh -euc \
    'ip address add "$1" dev eth0 && ip link set eth0 addrgenmode none up' sh "$address"
"""
"""Its one interface, which goes with it. No address comes later: that would be a change, too."""


def argv(profile: Path, resolve: Mapping[str, str]) -> list[str]:
    """resolve: address by name, for names that no name server knows."""
    rules = ",".join(f"MAP {name} {address}" for name, address in resolve.items())
    return [PROGRAM, *FLAGS, f"--user-data-dir={profile}", f"--host-resolver-rules={rules}"]


class Browser:
    """One browser with one page; ends with its `with`. Failures are AssertionErrors.

    bridge, address: where it is connected to, and its address there with a prefix length; without
    a bridge it reaches nothing.
    """

    def __init__(
        self,
        profile: Path,
        resolve: Mapping[str, str] = MappingProxyType({}),
        *,
        bridge: str = "",
        address: str = "",
    ) -> None:
        theirs_in, self._out = _pipe()
        self._in, theirs_out = _pipe()

        def connect() -> None:
            os.dup2(theirs_in, 3)
            os.dup2(theirs_out, 4)

        self._process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", CONNECTED, "sh", *argv(profile, resolve)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(3, 4),
            preexec_fn=connect,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        with stdin, stdout:
            assert stdout.readline() == b"alone\n"
            if bridge:
                words = (str(self._process.pid), bridge, f"vkdweb{self._process.pid}", address)
                subprocess.run(["sh", "-euc", CONNECT, "sh", *words], check=True)
            stdin.write(b"connected\n")
        self._buffer = b""
        self._number = 0
        self._events: list[dict[str, Any]] = []
        self._session = ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        self._call("Page.setLifecycleEventsEnabled", enabled=True)
        self._loader = self._call("Page.getFrameTree")["frameTree"]["frame"]["loaderId"]
        """Of the page that was loaded last."""

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._out)
        os.close(self._in)
        self._process.kill()
        self._process.wait()

    # What a person does

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """The window's size in CSS pixels; a phone has two dots a pixel, and touches."""
        scale = 2 if phone else 1
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=phone,
        )

    def open(self, url: str) -> None:
        self._load("Page.navigate", url=url)

    def prepare(self, script: str) -> None:
        """Run this in every page that is opened from now on, before what the page runs itself."""
        self._call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def reload(self) -> None:
        self._load("Page.reload")

    def click(self, selector: str) -> None:
        """Click the middle of an element, wherever it is seen."""
        place = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            " return {x: b.x + b.width / 2, y: b.y + b.height / 2} })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def type(self, text: str) -> None:
        self._call("Input.insertText", text=text)

    # What a person sees

    def evaluate(self, expression: str) -> Any:
        """A JavaScript expression's value."""
        answer = self._call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 60.0) -> Any:
        """The expression's value once it is true."""
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            said = f"never true in {seconds:g} s: {expression}"
            assert time.monotonic() < deadline, "\n".join([said, *self.complaints()])
            time.sleep(0.05)
        return value

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = self._call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(picture))

    def complaints(self) -> list[str]:
        """What the page threw or the browser logged as an error, since the last time."""
        found = []
        for event in self._events:
            about = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(str(about["exceptionDetails"].get("text")))
            elif event.get("method") == "Log.entryAdded" and about["entry"]["level"] == "error":
                found.append(f"{about['entry']['text']} ({about['entry'].get('url', '')})")
        self._events = []
        return found

    # The protocol: JSON texts that end with a zero byte

    def _load(self, method: str, **parameters: Any) -> None:
        before = len(self._events)
        answer = self._call(method, **parameters)
        assert not answer.get("errorText"), f"{parameters}: {answer['errorText']}"
        deadline = time.monotonic() + LIMIT_SECONDS
        while not (loaders := self._loaded(self._events[before:])):
            self._events.append(self._receive(deadline))
        self._loader = loaders[0]

    def _loaded(self, events: list[dict[str, Any]]) -> list[str]:
        """The loaders of pages that have been loaded; an event of the page before may come late."""
        loads = [event["params"] for event in events if event["method"] == "Page.lifecycleEvent"]
        loaders = [load["loaderId"] for load in loads if load["name"] == "load"]
        return [loader for loader in loaders if loader != self._loader]

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        text = json.dumps(message).encode() + b"\0"
        while text:
            text = text[os.write(self._out, text) :]
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self._in], [], [], left)[0]
            assert ready, f"the browser did not answer in {LIMIT_SECONDS:g} s"
            data = os.read(self._in, 1 << 20)
            assert data, "the browser has ended"
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message


def _pipe() -> tuple[int, int]:
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
