"""What the engine prints about a violated plan is shown without the values in it, among which are bare secrets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli.engine import environ, pulumi_cli
from cli.engine.planned_values import mask_planned_values
from cli.engine.stack import Stack

# As pulumi 3.259 printed it, with the values replaced.
_BARE = (
    "    error: resource urn:pulumi:dev::paif::kubernetes:core/v1:Secret::x violates plan: properties changed: "
    "++repositoryOpts[{map[repo:{PLANTED}]}!={map[repo:{b} password:{}]}], +-compat[{true}], "
    '+-stringData[{&{{map[a:{"b"}]}}}], '
    "=~data[{&{{map[password:{UExBTlRFRA==}]}}}]\n"
)


def test_names_are_kept_and_values_are_not() -> None:
    [line] = mask_planned_values([_BARE])
    assert line == (
        "    error: resource urn:pulumi:dev::paif::kubernetes:core/v1:Secret::x violates plan: properties changed: "
        "++repositoryOpts, +-compat, +-stringData, =~data (values are not shown, secrets may be among them)\n"
    )


def test_a_value_of_several_lines_is_left_out_to_its_end() -> None:
    lines = [
        "  kubernetes:core/v1:Secret (x):\n",
        "    error: resource urn::x violates plan: properties changed: =~data[{-----BEGIN\n",
        "    PLANTED\n",
        "\n",
        "    PLANTED\n",
        "    -----END}]\n",
        "    error: another one\n",
        "\n",
        "Resources:\n",
        "    1 errored\n",
    ]
    found = list(mask_planned_values(lines))
    assert "PLANTED" not in "".join(found)
    assert [each for each in found if each.strip()][2:] == [
        "    error: another one\n",
        "Resources:\n",
        "    1 errored\n",
    ]


def test_everything_else_is_left_as_it_is() -> None:
    lines = ["    error: x violates plan: dependencies changed: added urn::y\n", "    indented\n", "\n", "Resources:\n"]
    assert list(mask_planned_values(lines)) == lines


@pytest.mark.parametrize("plan", [("--plan", "/plan.json"), ("--plan=/plan.json",)])
def test_a_run_with_a_plan_is_printed_without_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], plan: tuple[str, ...]
) -> None:
    fake = tmp_path / "pulumi"
    fake.write_text(f"#!{Path(sys.executable).resolve()}\nimport sys\nsys.stderr.write({_BARE!r})\nsys.exit(255)\n")
    fake.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(environ, "full_environment", lambda **_: {"PATH": str(tmp_path)})
    stack = Stack("dev", lab=False)
    assert pulumi_cli.run(stack, "up", *plan) == 255
    said = "".join(capfd.readouterr())
    assert "=~data (values are not shown" in said
    assert "PLANTED" not in said
    pulumi_cli.run(stack, "up")
    assert "PLANTED" in "".join(capfd.readouterr()), "the same without a plan: the test would see a value"
