"""A pack's committed settings: whatever stands in the file, the answer is settings or one readable message."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.licensing.configuration import LicensingSettings
from policies.shared import configuration


def _load(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> LicensingSettings:
    (folder / "dev.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(configuration, "FOLDER", folder)
    return configuration.load(LicensingSettings, "licensing", "dev", {}, [])


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "licensing:\n", "kind: dev\n"])
def test_a_file_that_says_nothing_of_the_pack_gives_its_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert _load(tmp_path, text, monkeypatch).entitlements == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n- {b: c}\n", "expected a mapping with a section for each pack"),
        ("licensing: [a]\n", "licensing: expected a mapping"),
        ("licensing: {", "is no YAML"),
        ("lisensing: {}\n", "lisensing: expected only"),
    ],
)
def test_a_file_of_another_shape_is_one_readable_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    with pytest.raises(configuration.ConfigurationError, match=said):
        _load(tmp_path, text, monkeypatch)
