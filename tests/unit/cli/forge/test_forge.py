"""Posting: one comment, one issue, whatever the forge's mood, and never a word of the token."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.commands.pull_request import pr_comment_app
from cli.forge.client import LIMITS, Forge
from cli.forge.configured import from_environment
from cli.forge.github import GitHub
from cli.forge.gitlab import GitLab
from cli.output.console import Failed
from cli.pull_request.comment import MARKER
from tests.unit.cli.forge.stand_in import BOT, Fault, StandIn, serve

TOKEN = "planted-token-4711-do-not-show"
BODY = f"{MARKER}\n## Preview\nnothing changes\n"


@pytest.fixture(params=["github", "gitlab"])
def forge(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with serve(request.param, TOKEN) as stand_in:
        yield stand_in


class Clock:
    """Counts the seconds that were slept instead of sleeping them."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def client(forge: StandIn, clock: Clock | None = None, token: str = TOKEN) -> Forge:
    made = GitHub if forge.kind == "github" else GitLab
    return made("acme/paif", token, forge.url, sleep=clock or Clock())


def ours(forge: StandIn) -> list[str]:
    return [each["body"] for each in forge.comments if each["body"].startswith(MARKER)]


def test_comment_is_created_once_then_updated_in_place(forge: StandIn) -> None:
    with client(forge) as api:
        first = api.upsert_comment(7, MARKER, BODY)
        second = api.upsert_comment(7, MARKER, BODY + "more")
    assert (first.action, second.action) == ("created", "updated")
    assert first.number == second.number
    assert ours(forge) == [BODY + "more"]


def test_same_comment_again_writes_nothing(forge: StandIn) -> None:
    with client(forge) as api:
        api.upsert_comment(7, MARKER, BODY)
        forge.comments[0]["body"] = BODY.replace("\n", "\r\n").strip()
        forge.asked.clear()
        assert api.upsert_comment(7, MARKER, BODY).action == "unchanged"
    assert {method for method, _ in forge.asked} == {"GET"}


def test_comment_on_a_later_page_is_found(forge: StandIn) -> None:
    for number in range(250):
        forge.comment(f"comment {number}", author="somebody")
    mine = forge.comment(MARKER + "\nold")
    with client(forge) as api:
        assert api.upsert_comment(7, MARKER, BODY).number == mine["id"]
    assert len(forge.comments) == 251
    assert sum("page=3" in path for _, path in forge.asked) == 1


def test_forge_with_smaller_pages_than_asked_for_is_read_to_the_end(forge: StandIn) -> None:
    forge.largest_page = 20
    for number in range(45):
        forge.comment(f"comment {number}", author="somebody")
    forge.comment(MARKER + "\nold")
    with client(forge) as api:
        assert api.upsert_comment(7, MARKER, BODY).action == "updated"


def test_marker_in_somebody_elses_comment_or_in_a_quotation_is_not_ours(forge: StandIn) -> None:
    forge.comment(MARKER + "\nI wrote this", author="mallory")
    forge.comment("> " + MARKER + "\nquoted by the bot itself")
    with client(forge) as api:
        assert api.upsert_comment(7, MARKER, BODY).action == "created"
    assert len(forge.comments) == 3
    assert forge.comments[0]["body"].endswith("I wrote this")


def test_later_copies_are_removed_and_the_oldest_stays(forge: StandIn) -> None:
    oldest = forge.comment(MARKER + "\n1")
    forge.comment(MARKER + "\n2")
    with client(forge) as api:
        assert api.upsert_comment(7, MARKER, BODY).number == oldest["id"]
    assert ours(forge) == [BODY]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_busy_or_broken_forge_is_asked_again(forge: StandIn, method: str, status: int) -> None:
    forge.faults = [Fault(method, status), Fault(method, status)]
    clock = Clock()
    with client(forge, clock) as api:
        assert api.upsert_comment(7, MARKER, BODY).action == "created"
    assert len(clock.slept) == 2
    assert ours(forge) == [BODY]


def test_update_survives_a_bad_gateway(forge: StandIn) -> None:
    forge.comment(MARKER + "\nold")
    forge.faults = [Fault("PATCH" if forge.kind == "github" else "PUT", 502, done=True)]
    with client(forge) as api:
        assert api.upsert_comment(7, MARKER, BODY).action == "updated"
    assert ours(forge) == [BODY]


def test_pauses_grow_and_retry_after_is_honored(forge: StandIn) -> None:
    forge.faults = [Fault("GET", 502), Fault("GET", 502), Fault("GET", 429, {"Retry-After": "37"})]
    clock = Clock()
    with client(forge, clock) as api:
        api.upsert_comment(7, MARKER, BODY)
    assert clock.slept == [1, 2, 37]


def test_secondary_rate_limit_is_waited_for() -> None:
    with serve("github", TOKEN) as forge:
        forge.faults = [Fault("POST", 403, {"Retry-After": "5"})]
        reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 40)}
        forge.faults.append(Fault("GET", 403, reset))
        clock = Clock()
        with client(forge, clock) as api:
            assert api.upsert_comment(7, MARKER, BODY).action == "created"
        assert 30 < max(clock.slept) <= 40
        assert 5 in clock.slept


def test_forge_that_wants_to_be_left_alone_for_an_hour_is(forge: StandIn) -> None:
    forge.faults = [Fault("GET", 429, {"Retry-After": "3600"})]
    clock = Clock()
    with client(forge, clock) as api, pytest.raises(Failed, match="429"):
        api.upsert_comment(7, MARKER, BODY)
    assert clock.slept == []


def test_forge_that_stays_broken_ends_in_a_message(forge: StandIn) -> None:
    forge.faults = [Fault("GET", 502) for _ in range(20)]
    with client(forge) as api, pytest.raises(Failed, match="502 simulated fault"):
        api.upsert_comment(7, MARKER, BODY)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_creation_whose_answer_got_lost_makes_no_second_comment(forge: StandIn, status: int) -> None:
    forge.faults = [Fault("POST", status, done=True)]
    with client(forge) as api:
        api.upsert_comment(7, MARKER, BODY)
    assert ours(forge) == [BODY]


def test_token_of_a_workflow_run_may_not_ask_who_it_is() -> None:
    with serve("github", TOKEN) as forge:
        forge.user_status = 403
        theirs = forge.comment(MARKER + "\nold", author="github-actions[bot]")
        with client(forge) as api:
            assert api.upsert_comment(7, MARKER, BODY).number == theirs["id"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_wrong_token_fails_at_once_and_is_not_shown(forge: StandIn, method: str) -> None:
    clock = Clock()
    with client(forge, clock, token=TOKEN + "-wrong") as api, pytest.raises(Failed) as caught:
        api.upsert_comment(7, MARKER, BODY)
    assert "401" in str(caught.value)
    assert "write access" in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert clock.slept == []


def test_token_goes_to_no_plain_address_but_this_machine() -> None:
    with pytest.raises(Failed, match="https://"):
        GitHub("acme/paif", TOKEN, "http://forge.test")


def test_missing_token_or_repository_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "GITHUB_TOKEN",
        "GITHUB_REPOSITORY",
        "GITLAB_TOKEN",
        "CI_PROJECT_ID",
        "GITHUB_API_URL",
        "CI_API_V4_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Failed, match="GITHUB_TOKEN"):
        from_environment("github", repository="acme/paif")
    with pytest.raises(Failed, match="GITLAB_TOKEN"):
        from_environment("gitlab", repository="acme/paif")
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    with pytest.raises(Failed, match="OWNER/NAME"):
        from_environment("github")


def test_text_that_is_too_long_or_unmarked_is_not_sent(forge: StandIn) -> None:
    limit = LIMITS["github" if forge.kind == "github" else "gitlab"]
    with client(forge) as api:
        with pytest.raises(Failed, match="characters"):
            api.upsert_comment(7, MARKER, MARKER + "x" * limit)
        with pytest.raises(Failed, match="does not begin"):
            api.upsert_comment(7, MARKER, "hello")
    assert forge.asked == []


def test_pull_request_is_the_one_whose_newest_commit_it_is() -> None:
    with serve("github", TOKEN) as forge:
        forge.pulls = [
            {"number": 6, "label": "fork:fix", "head": {"sha": "b" * 40}},
            {"number": 7, "label": "fork:fix", "head": {"sha": "a" * 40}},
            {"number": 8, "label": "other:fix", "head": {"sha": "c" * 40}},
        ]
        api = GitHub("acme/paif", TOKEN, forge.url)
        assert api.pull_request("fork:fix", "a" * 40) == 7
        assert api.pull_request("fork:fix", "c" * 40) is None


# ---- issues

ISSUE = "<!-- paif: drift of prod "


def put(api: Forge, fingerprint: str) -> Any:
    body = f"{ISSUE}{fingerprint} -->\ntext"
    return api.upsert_issue(
        ISSUE, f" {fingerprint} ", "Drift in prod", body, label="paif-drift", news=f"now {fingerprint}"
    )


def test_issue_is_opened_once_left_alone_and_rewritten_when_its_fingerprint_changes(forge: StandIn) -> None:
    with client(forge) as api:
        assert [put(api, each).action for each in ("aa", "aa", "bb", "bb")] == [
            "created",
            "unchanged",
            "updated",
            "unchanged",
        ]
    assert len(forge.issues) == 1
    assert f"{ISSUE}bb -->" in str(forge.issues[0])
    assert forge.issue_comments == ["now bb"]


def test_issue_is_closed_when_the_drift_is_gone_and_a_new_one_opened_later(forge: StandIn) -> None:
    with client(forge) as api:
        put(api, "aa")
        assert api.close_issue(ISSUE, label="paif-drift", news="gone").action == "closed"
        assert api.close_issue(ISSUE, label="paif-drift", news="gone").action == "absent"
        assert put(api, "aa").action == "created"
    assert [each["state"] for each in forge.issues] == ["closed", "open"]


def test_issue_of_another_environment_or_author_is_not_ours(forge: StandIn) -> None:
    forge.issue("Drift in qa", "<!-- paif: drift of qa aa -->\n")
    forge.issue("Drift in prod", f"{ISSUE}aa -->\n", author="mallory")
    if forge.kind == "github":
        forge.issue("a pull request", f"{ISSUE}aa -->\n", pull_request={})
    before = len(forge.issues)
    with client(forge) as api:
        assert put(api, "aa").action == "created"
    assert len(forge.issues) == before + 1
    assert forge.issues[-1].get("user", forge.issues[-1].get("author")) in ({"login": BOT}, {"username": BOT})


def test_issue_whose_creation_got_lost_is_not_opened_twice(forge: StandIn) -> None:
    forge.faults = [Fault("POST", 502, done=True)]
    with client(forge) as api:
        put(api, "aa")
    assert len(forge.issues) == 1


def test_news_that_cannot_be_told_leave_the_issue_to_the_next_run(forge: StandIn) -> None:
    with client(forge) as api:
        put(api, "aa")
        forge.faults = [Fault("POST", 502)]
        with pytest.raises(Failed):
            put(api, "bb")
        assert put(api, "bb").action == "updated"
    assert forge.issue_comments == ["now bb"]


# ---- the command


@pytest.fixture
def environment(forge: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    for name in ("GITHUB_TOKEN", "GITLAB_TOKEN"):
        monkeypatch.setenv(name, TOKEN)
    monkeypatch.setenv("GITHUB_API_URL", forge.url)
    monkeypatch.setenv("CI_API_V4_URL", forge.url)
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/paif")
    monkeypatch.setenv("CI_PROJECT_ID", "acme/paif")
    monkeypatch.delenv("CI_MERGE_REQUEST_IID", raising=False)
    return forge


def post(*arguments: str) -> Any:
    return CliRunner().invoke(pr_comment_app, ["post", *arguments])


def test_post_command_posts_once_and_updates(environment: StandIn, tmp_path: Path) -> None:
    file = tmp_path / "comment.md"
    file.write_text(BODY)
    for expected in ("created", "unchanged"):
        run = post("--forge", environment.kind, "--file", str(file), "--number", "7")
        assert run.exit_code == 0, run.output
        assert expected in run.output
        assert TOKEN not in run.output
    assert ours(environment) == [BODY]


def test_post_command_for_a_commit_that_was_pushed_over_posts_nothing(environment: StandIn, tmp_path: Path) -> None:
    if environment.kind == "gitlab":
        pytest.skip("GitLab's pipelines know the number of their merge request")
    (tmp_path / "c.md").write_text(BODY)
    environment.pulls = [{"number": 7, "label": "fork:fix", "head": {"sha": "a" * 40}}]
    arguments = ["--forge", "github", "--file", f"{tmp_path}/c.md", "--head", "fork:fix", "--commit"]
    assert "nothing was posted" in post(*arguments, "b" * 40).output
    assert ours(environment) == []
    assert "created" in post(*arguments, "a" * 40).output


@pytest.mark.parametrize(
    "arguments",
    [["--number", "7", "--file", "missing.md"], [], ["--number", "7", "--forge", "sourcehut"], ["--head", "a:b"]],
)
def test_post_command_says_bad_input(environment: StandIn, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "c.md").write_text(BODY)
    run = post("--forge", environment.kind, "--file", f"{tmp_path}/c.md", *arguments)
    assert run.exit_code == 2
    assert environment.asked == []
