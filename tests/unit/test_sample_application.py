"""The sample application keeps the shape that the rest relies on."""

import json
import re

from tasks.paths import ROOT

SAMPLE = ROOT / "examples/sample"
MIGRATION_ID = re.compile(r'ID:\s+"(\d+)"')


def test_a_migration_has_the_id_that_its_file_is_named_after() -> None:
    files = [
        *SAMPLE.glob("pkg/migration/[0-9]*.go"),
        *SAMPLE.glob("variants/[0-9]*.go.txt"),
    ]
    named = {file.name.partition(".")[0]: MIGRATION_ID.findall(file.read_text()) for file in files}
    assert len(named) >= 6
    assert named == {name: [name] for name in named}
    assert all(len(name) == 14 for name in named)


def test_a_variant_migration_comes_after_every_migration_of_the_tree() -> None:
    latest = max(file.stem for file in SAMPLE.glob("pkg/migration/[0-9]*.go"))
    assert all(file.name > latest for file in SAMPLE.glob("variants/[0-9]*.go.txt"))


def test_the_module_is_named_as_vikunja_and_builds_with_debians_go() -> None:
    lines = (SAMPLE / "go.mod").read_text().splitlines()
    assert "module code.vikunja.io/api" in lines
    assert "go 1.19" in lines
    assert not any(line.startswith("toolchain") for line in lines)


def test_neither_node_part_depends_on_a_package() -> None:
    lock = json.loads((SAMPLE / "mcp-server/package-lock.json").read_text())
    assert list(lock["packages"]) == [""]
    for part in ("frontend", "mcp-server"):
        package = json.loads((SAMPLE / part / "package.json").read_text())
        assert not {"dependencies", "devDependencies"} & package.keys()
        assert package["scripts"]["build"] == "node build.mjs"
