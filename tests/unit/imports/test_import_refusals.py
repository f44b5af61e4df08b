"""What an import says of wrong input: one line, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from installations import lay, run

from tasks.containers import elsewhere
from tasks.errors import NetworkError
from tasks.imports.live import Live
from tasks.paths import PREFIX_VARIABLE

CASES = yaml.safe_load(Path(__file__).with_name("refusals.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_wrong_input_is_one_line(
    case: dict[str, Any],
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = here.parent / "root"
    root.mkdir()
    lay(root, case.get("files", {}))
    lay(here, case.get("here", {}))
    monkeypatch.setenv(PREFIX_VARIABLE, str(here.parent / "prefix"))

    code = run(*(word.replace("FOLDER", str(root)) for word in case["arguments"]))

    said = capsys.readouterr().err
    for name, path in (("FOLDER", root), ("PREFIX", here.parent / "prefix"), ("HERE", here)):
        said = said.replace(str(path), name)
    assert " => ".join(line.strip() for line in said.splitlines()) == case["expect"]
    assert code == case.get("code", 3)
    assert sorted(path.name for path in here.iterdir()) == sorted(
        {name.partition("/")[0] for name in case.get("here", {})}
    )


@pytest.mark.parametrize(
    ("evidence", "what", "hint"),
    [
        (
            "Host key verification failed.",
            "its host key is not known here, or is another one than before",
            "Log in once by hand and compare it: ssh -p 2222 me@host true",
        ),
        (
            "me@host: Permission denied (publickey).",
            "no key of this machine is let in",
            "Let one in: ssh-copy-id -p 2222 me@host",
        ),
        (
            "ssh: connect to host host port 2222: Connection refused",
            "nothing listens at that port",
            "Name its port: ssh:USER@HOST:PORT",
        ),
        (
            "ssh: Could not resolve hostname host: Name or service not known",
            "no name server knows that host",
            "Write its address.",
        ),
        ("something else", "ssh did not get through", "try it"),
    ],
)
def test_why_ssh_does_not_get_through_is_said(
    evidence: str, what: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise NetworkError(
            "ssh did not get through", where="it", hint="try it", evidence=[evidence]
        )

    monkeypatch.setattr(elsewhere, "stream", fails)
    source = Live("ssh", elsewhere.by_ssh("ssh:me@host:2222", "host", "me", 2222, tmp_path))
    with pytest.raises(NetworkError) as caught:
        source.sizes(["/etc/passwd"])
    assert (caught.value.what, caught.value.hint) == (what, hint)
