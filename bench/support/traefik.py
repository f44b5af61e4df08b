"""Traefik, which Debian does not package: built from its Go module, kept in the benches' cache."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from bench.support.lab import said
from bench.support.measure import Void

MODULE, VERSION = "github.com/traefik/traefik/v3", "v3.1.0"
"""Its module replaces others, so it takes its own source to build: `go install` refuses it."""


def traefik(cache: Path) -> Path:
    """The program. Building it takes a quarter of an hour of two processors, once."""
    program = cache / f"traefik-{VERSION}"
    if program.exists():
        return program
    if shutil.which("go") is None:
        raise Void("Traefik is built from its Go module: install Go 1.22 or newer")
    said(f"building Traefik {VERSION}, once …")
    found = subprocess.run(
        ["go", "mod", "download", "-json", f"{MODULE}@{VERSION}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode != 0:
        raise Void(f"Traefik's module could not be had:\n{found.stdout[-2000:]}{found.stderr}")
    tree, aside = cache / "traefik-tree", cache / "traefik-new"
    shutil.rmtree(tree, ignore_errors=True)
    # Modules are kept read-only.
    copy = ["cp", "--recursive", "--no-preserve=mode", json.loads(found.stdout)["Dir"], str(tree)]
    subprocess.run(copy, check=True)
    # Of its pages, which are not in the module, it embeds what is there: anything.
    static = tree / "webui" / "static"
    static.mkdir(parents=True, exist_ok=True)
    (static / "index.html").touch()
    argv = ["go", "build", "-trimpath", "-o", str(aside), "./cmd/traefik"]
    done = subprocess.run(argv, cwd=tree, capture_output=True, text=True, check=False)
    shutil.rmtree(tree)
    if done.returncode != 0:
        raise Void(f"Traefik could not be built:\n{done.stderr[-3000:]}")
    aside.rename(program)
    return program
