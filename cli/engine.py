"""Running the Pulumi engine: its environment, its stack, and clearing up after one that was cut off."""

from __future__ import annotations

import hashlib
import io
import json
import os
import select as io_select
import shlex
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import psutil

from cli import checkpoints, clones, locks, releases
from cli.output.console import Failed, say, warn
from cli.output.redaction import without_planned_values
from lab.pki import lab_authority
from lab.process import die_with_parent
from lab.state import ROOT, bin_directory, lab_directory, state_directory, write_atomically, write_json
from tools.spec import pulumi_home

LAB_PASSPHRASE = "paif-lab"  # noqa: S105 - it guards example values of a lab and is documented as worth nothing
_MARK = "PAIF_RUN"
_END_SECONDS = 20
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOKED_BACK = 100
_LOOKS = 30
# A run's end is told in whole seconds, and its state may be written once more after it.
_WRITTEN_AFTER_SECONDS = 5.0


@dataclass(frozen=True)
class Stack:
    """One environment as the engine knows it; ``lab`` tells whether it goes to the local lab."""

    name: str
    lab: bool

    @property
    def file(self) -> Path:
        return ROOT / "stacks" / f"Pulumi.{self.name}.yaml"

    @property
    def mark(self) -> str:
        """What URNs of its resources begin with, after ``urn:pulumi:``."""
        return f"{self.name}::{checkpoints.PROJECT}"


def backend_directory() -> Path:
    """Where stacks that target the lab keep their state."""
    return state_directory() / "pulumi"


def _mark() -> str:
    return hashlib.sha256(str(state_directory()).encode()).hexdigest()[:12]


def _trust_file() -> Path:
    return lab_directory() / "trust.pem"


def _trust() -> Path:
    """A bundle of the system's authorities and the lab's."""
    authority = lab_authority(lab_directory())
    path = _trust_file()
    known = ssl.get_default_verify_paths()
    # In a shell that has this project's variables the first one is this very file.
    system = next((each for each in (known.cafile, known.openssl_cafile) if each and Path(each) != path), "")
    bundle = Path(system).read_text(encoding="utf-8") if system and Path(system).exists() else ""
    if authority.pem not in bundle:
        bundle += authority.pem
    if not path.exists() or path.read_text(encoding="utf-8") != bundle:
        write_atomically(path, bundle, 0o644)
    return path


def environment(*, lab: bool) -> dict[str, str]:
    """What a process needs so that plain ``pulumi`` works: only what differs from the present environment.

    For the lab: a file backend below the state directory and the documented passphrase. A real target keeps the
    backend and the secrets provider that the user has chosen.
    """
    path = [str(bin_directory()), str(ROOT / ".venv" / "bin")]
    rest = [each for each in os.environ.get("PATH", "").split(os.pathsep) if each and each not in path]
    values = {
        "PATH": os.pathsep.join([*path, *rest]),
        "PAIF_STATE": str(state_directory()),
        _MARK: _mark(),
        # The plugins are there, or deliberately not: a look-up in the network costs seconds at every run.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # What does not answer is not gone: no shell may have the engine forget it.
        "PULUMI_K8S_DELETE_UNREACHABLE": "false",
        "PYTHONDONTWRITEBYTECODE": "",
    }
    if lab:
        backend_directory().mkdir(mode=0o700, parents=True, exist_ok=True)
        values |= _of_the_lab()
        _trust()
        values["NO_PROXY"] = ",".join(filter(None, ["127.0.0.1,localhost", os.environ.get("NO_PROXY", "")]))
    return values


def _of_the_lab() -> dict[str, str]:
    """What only the lab's stacks may have: nothing real is kept in its backend or guarded by its passphrase."""
    return {
        "PULUMI_BACKEND_URL": checkpoints.address(backend_directory()),
        "PULUMI_CONFIG_PASSPHRASE": LAB_PASSPHRASE,
        # The vsphere plugin takes authorities from the system only; the others get the lab's by configuration.
        "SSL_CERT_FILE": str(_trust_file()),
    }


def passphrase(lab: bool) -> str | None:
    """The passphrase by which Pulumi would decrypt the values of a stack; None when none is given here."""
    if lab:
        return LAB_PASSPHRASE
    given = {name: value for name, value in os.environ.items() if name not in _left_by_the_lab()}
    if "PULUMI_CONFIG_PASSPHRASE" in given:
        return given["PULUMI_CONFIG_PASSPHRASE"]
    try:
        return Path(given["PULUMI_CONFIG_PASSPHRASE_FILE"]).read_text(encoding="utf-8").strip()
    except (KeyError, OSError, UnicodeDecodeError):
        return None


def _left_by_the_lab() -> set[str]:
    """Variables that a shell still has from ``eval "$(./paif env)"`` for the lab."""
    return {
        name
        for name, value in _of_the_lab().items()
        if (present := os.environ.get(name)) == value or (present and checkpoints.same_folder(present, value))
    }


def shell_lines(*, lab: bool) -> list[str]:
    """``export`` lines for a POSIX shell; for a real target also ``unset`` lines for what is the lab's."""
    unset = [] if lab else [f"unset {name}" for name in sorted(_left_by_the_lab())]
    return [*unset, *(f"export {name}={shlex.quote(value)}" for name, value in environment(lab=lab).items())]


def full_environment(*, lab: bool) -> dict[str, str]:
    """All variables of a process that runs ``pulumi``; for a real target without what is the lab's."""
    foreign = set() if lab else _left_by_the_lab()
    return {name: value for name, value in os.environ.items() if name not in foreign} | environment(lab=lab)


class Locked(Failed):
    """Another engine has the stack, or one that was cut off had it; the message says who, and how it is freed."""


def capture(stack: Stack, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run ``pulumi`` for what it prints. Raises ``Failed`` with its error text when ``check`` and it fails."""
    answer = subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        cwd=ROOT,
        env=full_environment(lab=stack.lab),
        capture_output=True,
        text=True,
        check=False,
    )
    if check and answer.returncode:
        said = (answer.stderr or answer.stdout).strip()
        if holders := locks.told(said):
            raise Locked(locks.sentence(stack.name, holders))
        raise Failed(f"pulumi {arguments[0]} failed:\n{said}{_remedy(stack, said)}")
    return answer


class TargetGone(Exception):  # noqa: N818 - an event that the caller answers
    """What the run goes to ended in the middle of it; the run was ended in the engine's own way."""


def run(
    stack: Stack,
    *arguments: str,
    extra: dict[str, str] | None = None,
    target: int | None = None,
    silent: bool = False,
) -> int:
    """Run ``pulumi`` in the foreground; Ctrl-C reaches it as it would without this wrapper. Returns its exit status.

    With ``--plan`` what it prints goes through ``without_planned_values``. A ``silent`` run prints only on standard
    error, where what it says goes when it fails. ``target`` is a file descriptor that becomes
    readable when what the run goes to has ended. Raises ``TargetGone`` then: the engine would wait for hours for
    objects that nobody makes ready any more.
    """
    asked_to_stop = False

    def stop_asked(number: int, _: object) -> None:
        nonlocal asked_to_stop
        asked_to_stop = True
        # Ctrl-C reaches the engine from the terminal; what ends this process alone is handed on in the engine's way.
        if number != signal.SIGINT and process is not None:
            process.send_signal(signal.SIGINT)

    process: subprocess.Popen[bytes] | None = None
    planned = any(each.partition("=")[0] == "--plan" for each in arguments)
    # At a terminal the engine redraws what it shows, which no filter of lines can follow.
    planned |= "--save-plan" in arguments and not silent and not sys.stdout.isatty()
    coloured = ["--color", "always"] if planned and sys.stdout.isatty() and "--color" not in arguments else []
    # A handler, unlike SIG_IGN, is not inherited: the engine ends in its own way and this process waits for it.
    heard = [number for number in _ENDINGS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, stop_asked) for number in heard}
    try:
        with (
            tempfile.TemporaryFile() as kept,
            subprocess.Popen(
                ["pulumi", *arguments, *coloured],
                cwd=ROOT,
                env={**full_environment(lab=stack.lab), **(extra or {})},
                stdout=subprocess.PIPE if planned else kept if silent else None,
                stderr=subprocess.STDOUT if planned else None,
                # One that nobody waits for any more would hold the stack's lock, on a target that is gone for hours.
                preexec_fn=lambda: die_with_parent(signal.SIGINT),  # noqa: PLW1509 - no thread of ours runs yet
            ) as process,
        ):
            printer = threading.Thread(target=_print_planned, args=(process.stdout,))
            if planned:
                printer.start()
            if target is not None:
                _watch(stack, process, target)
            status = process.wait()
            if planned:
                printer.join()
            if silent and status:
                kept.seek(0)
                sys.stderr.write(kept.read().decode("utf-8", "replace"))
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if status and not asked_to_stop and target is not None and io_select.select([target], [], [], 0)[0]:
        raise TargetGone
    return status


def _print_planned(stream: IO[bytes]) -> None:
    with io.TextIOWrapper(stream, encoding="utf-8", errors="replace") as text:
        for line in without_planned_values(text):
            sys.stdout.write(line)
            sys.stdout.flush()


def _watch(stack: Stack, process: subprocess.Popen[bytes], target: int) -> None:
    """Wait until the engine ends; end it when what it goes to ends first."""
    ended = os.pidfd_open(process.pid)
    try:
        readable, _, _ = io_select.select([ended, target], [], [])
        if target in readable and ended not in readable:
            warn(f"the lab ended in the middle of this run of {stack.name}; ending the run, to go on with it")
            _end(process)
    finally:
        os.close(ended)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the engine as Ctrl-C does: it cancels what it waits for and writes its state; the second time it goes."""
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()


def select(stack: Stack) -> None:
    """Make the stack on first use. The committed salt stays as it is. Raises ``Failed``."""
    chosen = full_environment(lab=stack.lab).get("PULUMI_BACKEND_URL") or (pulumi_home() / "credentials.json").exists()
    if not chosen:
        raise Failed(
            f"{stack.name} targets a real VCF and no Pulumi backend is chosen; expected PULUMI_BACKEND_URL (an S3, "
            "Azure Blob or GCS bucket, PostgreSQL, or file://…) or `pulumi login`. docs/real-vcf.md tells more."
        )
    mend(stack)
    capture(stack, "stack", "select", stack.name, "--create")


def files(stack: Stack, project: str = checkpoints.PROJECT) -> checkpoints.Files | None:
    """Where the stack's files are, when its backend is a folder."""
    address = full_environment(lab=stack.lab).get("PULUMI_BACKEND_URL") or _logged_in()
    folder = checkpoints.folder_of(address, here=ROOT)
    return checkpoints.Files(folder, stack.name, project) if folder is not None else None


def _logged_in() -> str:
    """The address of the backend that `pulumi login` has chosen; empty when it chose none."""
    try:
        return str(json.loads((pulumi_home() / "credentials.json").read_text(encoding="utf-8")).get("current") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def mend(stack: Stack, project: str = checkpoints.PROJECT) -> None:
    """Make what a killed engine or a power cut left in the stack's backend readable again, before anything reads it.

    Raises ``Failed`` when the checkpoint is damaged and the stack is locked, or no backup can be read.
    """
    there = files(stack, project)
    if there is None:
        return
    try:
        removed = checkpoints.clear_side_files(there)
        if removed:
            say(f"removed {removed} side files that a cut-off run left unreadable in the backend of {stack.name}")
        holders = [each for each in locks.held(there) if not (stack.lab and each.over)]
        if holders:
            if problem := checkpoints.damage(there):
                raise Failed(
                    f"the checkpoint of {stack.name} is damaged ({problem}) and cannot be restored while the stack is "
                    f"locked. {locks.sentence(stack.name, holders)}"
                )
            return
        checkpoints.clear_unfinished(there)
        restored = checkpoints.restore(there)
    except checkpoints.NoBackupError as error:
        raise Failed(f"{error}; put a checkpoint there, or `pulumi stack import` one") from None
    except OSError as error:
        raise Failed(f"the backend of {stack.name} cannot be read or written: {error}") from None
    if restored is not None:
        warn(
            f"the checkpoint of {stack.name} was damaged ({restored.problem}); restored {restored.backup.path} of "
            f"{restored.backup.when} with {restored.backup.resources} resources. The damaged one is kept as "
            f"{restored.kept}. What was made since then is adopted by the next `up`; what was removed since then is "
            f"found by `./paif refresh {stack.name}`"
        )


_UNREADABLE = ("failed to load checkpoint", "snapshot integrity failure")


def _remedy(stack: Stack, said: str) -> str:
    """What to do about a checkpoint that the engine cannot use in a backend whose files are not at hand."""
    if not any(each in said for each in _UNREADABLE) or files(stack) is not None:
        return ""
    return (
        f"\nThe checkpoint of {stack.name} is damaged, and this backend is no folder in which it could be mended. Take "
        f"the newest object below .pulumi/backups/{checkpoints.PROJECT}/{stack.name}/ (or {stack.name}.json.bak beside "
        f"the checkpoint) and, with your store's own client, copy it over .pulumi/stacks/{checkpoints.PROJECT}/"
        f"{stack.name}.json; keep the damaged one. Then run again: what was made since is adopted"
    )


def survivors() -> list[psutil.Process]:
    """Plugins that an engine of this clone started and that have no engine above them any more."""
    marked: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(_MARK) == _mark():
                marked[process.pid] = process
        except (psutil.Error, OSError):
            continue
    left = []
    for pid, process in marked.items():
        try:
            above = {each.pid: each.name() for each in process.parents()}
        except psutil.Error:
            continue
        # An orphan hangs below the machine's first process, and so does this one: own is only what is below this one.
        if _is_plugin(process) and os.getpid() not in {pid, *above} and "pulumi" not in above.values():
            left.append(process)
    return left


def _is_plugin(process: psutil.Process) -> bool:
    """Whether it is a plugin, a language host or what that runs: a file called pulumi-…, by itself or as a script."""
    return any(Path(part).name.startswith("pulumi-") for part in _command(process)[:2])


def _command(process: psutil.Process) -> list[str]:
    try:
        return [str(part) for part in process.cmdline()]
    except psutil.Error:
        return []


def clear_up(stack: Stack, agreed: Callable[[str], bool] | None = None) -> None:
    """Remove what a cut-off run left: its plugins, its lock and its pending operations, so that the next one goes on.

    Machines that it left unfinished in vCenter are removed, and releases of Helm that it left pending are taken over,
    when ``agreed``, asked with their names, says so; without it nothing outside the state is changed, and what is
    pending stays for a command that may. Raises ``Failed`` when another engine holds the stack at this moment, or
    vCenter cannot be asked.
    """
    try:
        cut_off = _unlock(stack)
    except Locked as locked:
        if agreed is not None or stack.lab:
            raise
        # Whoever only looks may look: nothing is cleared up meanwhile.
        warn(str(locked))
        return
    left = survivors()
    for process in left:
        try:
            process.kill()
        except psutil.Error:
            continue
    if left:
        psutil.wait_procs(left, timeout=5)
        say(f"ended {len(left)} plugin processes that a cut-off run left behind")
    state = export(stack)
    pending = (state.get("deployment") or {}).get("pending_operations")
    machines, helm = clones.used(state), releases.used(state)
    if (machines or helm) and (cut_off or pending or _ended_early(stack, state)):
        if agreed is not None:
            if machines:
                _remove_unfinished(stack, agreed)
            if helm:
                _take_over_releases(stack, agreed)
        elif clones.begun(state) or releases.begun(state):
            warn(f"{stack.name}: a cut-off run may have left unfinished machines or Helm releases; `up` clears them up")
            return
    if pending:
        warn(f"{stack.name}: a cut-off run left operations pending; clearing them (what they made is adopted)")
        try:
            drop_pending_operations(stack)
        except Locked as locked:
            if agreed is not None:
                raise
            warn(f"they stay: {locked}")
            return
        if deleted := [each["resource"]["urn"] for each in pending if each["type"] == "deleting"]:
            _look_for_deleted(stack, deleted)


def _look_for_deleted(stack: Stack, urns: list[str]) -> None:
    """Have the state know which of the resources, whose deletion was cut off, are gone: it has them all still, and the
    next run would take them for unchanged. What is still being deleted is waited for."""
    names = ", ".join(urn.rsplit("::", 1)[-1] for urn in urns)
    say(f"looking which of what a cut-off run was deleting is still there: {names}")
    targets = [part for urn in urns for part in ("--target", urn)]
    for _ in range(_LOOKS):
        answer = capture(stack, "refresh", "--yes", "--skip-preview", "--stack", stack.name, *targets, check=False)
        if answer.returncode:
            break
        if not any(each["urn"] in urns and _is_ending(each) for each in export(stack)["deployment"]["resources"]):
            return
    warn(f"whether {names} are gone cannot be seen yet; `./paif refresh {stack.name}` looks again")


def _is_ending(resource: dict[str, Any]) -> bool:
    metadata = (resource.get("outputs") or {}).get("metadata")
    return isinstance(metadata, dict) and bool(metadata.get("deletionTimestamp"))


def _unlock(stack: Stack, project: str = checkpoints.PROJECT) -> bool:
    """Remove what a run that no longer exists left on the lab's stacks; whether there was any.

    Raises ``Failed`` when somebody else has the stack, here or in a backend of the user's own.
    """
    there = files(stack, project)
    if there is None:
        return False
    freed = locks.free(there) if stack.lab else []
    for each in freed:
        say(f"removed the lock that a run which no longer exists ({each}) left on {stack.name}")
    if left := locks.held(there):
        raise Locked(locks.sentence(stack.name, left))
    return bool(freed)


def take_back(stack: Stack, project: str) -> None:
    """Have a stack of the lab's that nobody else uses, such as a benchmark's, whatever one that was cut off left of it.

    An engine that still ends is waited for. Raises ``Failed`` when it does not end.
    """
    there = files(stack, project)
    for lock in locks.held(there) if there else []:
        if lock.here and locks.is_engine(lock.pid):
            try:
                psutil.Process(lock.pid).wait(_END_SECONDS)
            except psutil.NoSuchProcess:
                continue
            except psutil.TimeoutExpired:
                break
    _unlock(stack, project)
    mend(stack, project)


def _history(stack: Stack, newest: int) -> list[dict[str, Any]]:
    """The stack's last runs, newest first; one that was killed is not among them."""
    answer = capture(stack, "stack", "history", "--stack", stack.name, "--json", "--page-size", str(newest))
    found: list[dict[str, Any]] = json.loads(answer.stdout or "[]") or []
    return found


def _ended_early(stack: Stack, state: dict[str, Any]) -> bool:
    """Whether the last run failed, or one after it was killed: that one is in no history, but has written its state."""
    there = files(stack)
    if there is not None:
        # As `pulumi stack history` does, without the half second of another process.
        last = checkpoints.last_run(there)
    else:
        last = next(((each["result"], datetime.fromisoformat(each["endTime"])) for each in _history(stack, 1)), None)
    if last is None or last[0] != "succeeded":
        return True
    written: str = ((state.get("deployment") or {}).get("manifest") or {}).get("time") or ""
    return bool(written) and (datetime.fromisoformat(written) - last[1]).total_seconds() > _WRITTEN_AFTER_SECONDS


def _last_success(stack: Stack) -> datetime | None:
    ended = (each["endTime"] for each in _history(stack, _LOOKED_BACK) if each.get("result") == "succeeded")
    newest = next(ended, None)
    return datetime.fromisoformat(newest) if newest else None


def _remove_unfinished(stack: Stack, agreed: Callable[[str], bool]) -> None:
    state = export(stack, show_secrets=True)
    known = {str(each["id"]) for each in state["deployment"]["resources"] if each.get("id")}
    with clones.connected(clones.account(state), str(_trust()) if stack.lab else None) as vcenter:
        vcenter.settle()
        left = clones.unfinished(state, vcenter.machines(known), stack.mark, _last_success(stack))
        names = ", ".join(each.name for each in left)
        if left and not agreed(f"A run of {stack.name} that was cut off left unfinished in vCenter: {names}. Remove?"):
            raise Failed(f"{names}: nothing can be made beside them; remove them, or run again and agree")
        for each in left:
            vcenter.remove(each)
    if left:
        say(f"removed what a cut-off run left unfinished in vCenter: {names}; it is made anew")


def _take_over_releases(stack: Stack, agreed: Callable[[str], bool]) -> None:
    state = export(stack, show_secrets=True)
    try:
        found = list(releases.left(state, stack.mark, proxies=not stack.lab))
        for each in found:
            if each.cure == "foreign":
                warn(
                    f"the Helm release {each} in {each.place.cluster} is not of {stack.name}, which would install one "
                    f"of this name; `helm uninstall {each.place.name} -n {each.place.namespace}` there makes room"
                )
                continue
            if not agreed(f"A run of {stack.name} that was cut off left the Helm release {each}. Take it over?"):
                raise Failed(f"the Helm release {each} bars the way to the next one; run again and agree")
            releases.mend(state, each, proxies=not stack.lab)
            say(f"took over the Helm release {each}, which a cut-off run left; what it runs stays")
    except releases.UnreachableError as error:
        # What needs that cluster will say so itself, and nothing else is kept waiting for it.
        warn(f"whether a cut-off run left a Helm release pending cannot be seen: {error}")


def export(stack: Stack, *, show_secrets: bool = False) -> dict[str, Any]:
    """The stack's state as the engine exports it; secrets stay encrypted unless they are asked for."""
    shown = ["--show-secrets"] if show_secrets else []
    state: dict[str, Any] = json.loads(capture(stack, "stack", "export", "--stack", stack.name, *shown).stdout)
    return state


def outputs(stack: Stack, *, secrets: bool = False) -> dict[str, Any]:
    """The stack's outputs; a secret is ``[secret]`` unless ``secrets`` asks for it in the clear."""
    arguments = ["stack", "output", "--stack", stack.name, "--json", *(["--show-secrets"] if secrets else [])]
    found: dict[str, Any] = json.loads(capture(stack, *arguments).stdout)
    return found


def drop_pending_operations(stack: Stack) -> None:
    """Forget operations that never ended. Creations are repeated and adopt what exists, or what they had begun was
    removed; nothing else is touched."""
    state = export(stack)
    state["deployment"].pop("pending_operations", None)
    _replace_state(stack, state)


def edit(stack: Stack, change: Callable[[dict[str, dict[str, Any]]], bool]) -> None:
    """Change the state's resources, given by URN; nothing is written when ``change`` returns false."""
    state = export(stack)
    if change({each["urn"]: each for each in state["deployment"].get("resources", [])}):
        _replace_state(stack, state)


def forget(stack: Stack, urns: Collection[str]) -> None:
    """Take resources out of the state, and every reference to them; nothing outside of it is changed.

    For what is known to be gone only: whatever is still there would be made a second time, or stay for ever.
    """
    if not urns:
        return
    state = export(stack)
    resources = [each for each in state["deployment"].get("resources", []) if each["urn"] not in urns]
    for each in resources:
        for key in ("dependencies", "replaceWith"):
            if each.get(key):
                each[key] = [urn for urn in each[key] if urn not in urns]
        if each.get("propertyDependencies"):
            each["propertyDependencies"] = {
                name: [urn for urn in found or [] if urn not in urns]
                for name, found in each["propertyDependencies"].items()
            }
        if each.get("deletedWith") in urns:
            del each["deletedWith"]
    state["deployment"]["resources"] = resources
    _replace_state(stack, state)


def lift_protection(stack: Stack) -> int:
    """Mark everything in the state as neither protected nor retained; returns how many resources that changed."""
    state = export(stack)
    kept = [
        each for each in state["deployment"].get("resources", []) if each.get("protect") or each.get("retainOnDelete")
    ]
    for each in kept:
        each.pop("protect", None)
        each.pop("retainOnDelete", None)
    if kept:
        _replace_state(stack, state)
    return len(kept)


def protected(stack: Stack) -> list[str]:
    """Names of the resources that must not be deleted."""
    resources = (export(stack).get("deployment") or {}).get("resources") or []
    return [each["urn"].rsplit("::", 1)[-1] for each in resources if each.get("protect")]


def phases(stack: Stack) -> set[str]:
    """The phases that the stack's state holds."""
    kind = "paif:phase:"
    resources = (export(stack).get("deployment") or {}).get("resources") or []
    return {each["type"].removeprefix(kind) for each in resources if each["type"].startswith(kind)}


def _replace_state(stack: Stack, state: dict[str, Any]) -> None:
    path = state_directory() / "run" / f"{stack.name}.state.json"
    try:
        write_json(path, state)
        capture(stack, "stack", "import", "--stack", stack.name, "--file", str(path))
    finally:
        path.unlink(missing_ok=True)
