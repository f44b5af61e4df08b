"""What the README shows is what the tool says."""

from __future__ import annotations

import re

import pytest
import yaml
from model_site import Site

from tasks.commands.plan import Plan
from tasks.paths import ROOT

SHOWN_AT = "$ ./doit plan --config examples/demo.yaml\n"
COMMITS = re.compile(r"\b([0-9a-f]{40}|[0-9a-f]{10}|[0-9a-f]{8})\b")


def alike(text: str) -> str:
    """A plan without what is another one each time: commits, and where the configuration is."""
    without = re.sub(r"\S+/(config|examples/demo)\.yaml", "CONFIG", text)
    return COMMITS.sub("COMMIT", without).replace("(v1.0.0-COMMIT)", "(v1.0.0)")


def test_its_plan_is_that_of_another_domain(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    demo = yaml.safe_load((ROOT / "examples/demo.yaml").read_text())
    site.document["deployment"] = demo["deployment"]
    site.document["network"] = {**site.document["network"], **demo["network"]}
    site.write()
    site.apply()
    site.document["network"]["domain"] = "tasks.example.com"
    site.write()
    capsys.readouterr()
    assert Plan().parse_execute(["--config", str(site.config)]) == 0
    readme = (ROOT / "README.md").read_text()
    shown = readme.partition(SHOWN_AT)[2].partition("```")[0]
    assert alike(shown) == alike(capsys.readouterr().out)
