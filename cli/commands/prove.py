"""``./paif prove``."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from cli.output.console import BAD_INPUT, columns, say, stop, table

prove_app = typer.Typer(no_args_is_help=True, help="What must hold, tried on a lab of its own.")


def _chosen(given: str, known: tuple[str, ...], option: str) -> list[str]:
    names = given.split(",")
    for name in names:
        if name not in known:
            raise stop(f"{option} {name}: expected some of {', '.join(known)}, with commas between", BAD_INPUT)
    return names


@prove_app.command("faults")
def prove_faults(
    environments: Annotated[str, typer.Option(help="environments, with commas")] = "dev,prod",
    operations: Annotated[str, typer.Option(help="what fails: create, update, read, look-up")] = "",
    ways: Annotated[str, typer.Option(help="how: error, not-ready, cut, refused (by a policy pack)")] = "",
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="part of the cases, drawn at random")] = 1.0,
    seed: Annotated[int, typer.Option(help="which are drawn")] = 1,
    through: Annotated[str, typer.Option(help="pulumi (no plan guards it) or paif (as a user does)")] = "pulumi",
) -> None:
    """Every resource fails in every way, one at a time: nothing is deleted, and the next run makes it whole.

    Takes 15 to 30 s for each of some hundred cases. Exit status 1 when something did not hold.
    """
    from cli.prove import faults  # noqa: PLC0415 - it loads the SDKs
    from cli.prove.scratch import Scratch  # noqa: PLC0415

    asked = _chosen(operations or ",".join(faults.OPERATIONS), faults.OPERATIONS, "--operations")
    how = _chosen(ways or ",".join(faults.FAILURE_KINDS), faults.FAILURE_KINDS, "--ways")
    _chosen(through, ("pulumi", "paif"), "--through")

    def told(verdict: faults.Verdict) -> None:
        what = f"{verdict.environment}: {verdict.operation} of {verdict.case.name}, {verdict.case.how}"
        say(f"{what}: {'held' if verdict.passed else '; '.join(verdict.violations)}")

    with tempfile.TemporaryDirectory(prefix="paif-prove-") as folder:
        scratch = Scratch(Path(folder))
        try:
            found = faults.prove(
                scratch,
                environments.split(","),
                operations=asked,
                ways=how,
                share=share,
                seed=seed,
                through_paif=through == "paif",
                on_result=told,
            )
        finally:
            scratch.close()
    sheet = columns("environment", "fails", "how", "cases", "held", "what did not hold")
    groups = Counter((each.environment, each.operation, each.case.how) for each in found)
    for (env, operation, way), cases in groups.items():
        broken = [
            v for v in found if (v.environment, v.operation, v.case.how) == (env, operation, way) and not v.passed
        ]
        wrong = "; ".join(f"{each.case.name}: {', '.join(each.violations)}" for each in broken)
        sheet.add_row(env, operation, way, str(cases), str(cases - len(broken)), wrong)
    table(sheet)
    if not found or not all(each.passed for each in found):
        raise typer.Exit(1)


@prove_app.command("deletions")
def prove_deletions(
    pairs: Annotated[int, typer.Option(min=1, help="pairs of configurations, one after another")] = 100,
    seed: Annotated[int, typer.Option(help="which are drawn")] = 1,
) -> None:
    """What a run deletes was announced, for random pairs of configurations; a run that fails deletes nothing.

    Takes 30 to 60 s for each pair. Exit status 1 when something did not hold.
    """
    from cli.prove import deletions  # noqa: PLC0415 - it loads the SDKs
    from cli.prove.scratch import Scratch  # noqa: PLC0415

    def told(step: deletions.Step) -> None:
        failed = f", {step.failed} made to fail" if step.failed else ""
        outcome = "; ".join(step.violations) or "held"
        say(f"pair {step.number}: {step.announced} announced, {step.deleted} deleted{failed}: {outcome}")

    with tempfile.TemporaryDirectory(prefix="paif-prove-") as folder:
        scratch = Scratch(Path(folder))
        try:
            found = deletions.prove(scratch, Path(folder), pairs=pairs, seed=seed, on_result=told)
        finally:
            scratch.close()
    sheet = columns("pairs", "deletions announced", "deletions made", "with a failure", "held")
    failures = sum(bool(each.failed) for each in found)
    held = sum(not each.violations for each in found)
    announced, made = sum(each.announced for each in found), sum(each.deleted for each in found)
    sheet.add_row(*(str(each) for each in (len(found), announced, made, failures, held)))
    table(sheet)
    if held < len(found):
        raise typer.Exit(1)


@prove_app.command("kills")
def prove_kills(
    phase: Annotated[str, typer.Option(help="phases, with commas; all by default")] = "",
    victims: Annotated[str, typer.Option(help="what is killed: engine, plugin, helm, lab, everything")] = "",
    number: Annotated[int, typer.Option("--kills", min=1, help="kills in each phase")] = 50,
    seed: Annotated[int, typer.Option(help="which moments are drawn")] = 1,
) -> None:
    """kill -9 at random moments of every phase: the next run makes it whole, nothing is there twice or lost.

    Takes one to three minutes for each kill. Exit status 1 when something did not hold.
    """
    from cli.prove import kills  # noqa: PLC0415 - few need it
    from cli.prove.sandbox import Sandbox  # noqa: PLC0415

    phases = _chosen(phase or ",".join(kills.PHASES), kills.PHASES, "--phase")
    killed = _chosen(victims or ",".join(kills.VICTIMS), kills.VICTIMS, "--victims")

    def told(kill: kills.Kill) -> None:
        say(f"{kill.phase}: killed {kill.what or kill.victim}: {'; '.join(kill.violations) or 'held'}")

    with tempfile.TemporaryDirectory(prefix="paif-prove-") as folder:
        scene = Sandbox(Path(folder))
        try:
            found = kills.prove(scene, phases, killed, kills=number, seed=seed, on_result=told)
        finally:
            scene.close()
    sheet = columns("phase", "killed", "kills", "converged", "pending", "duplicates", "deletions", "what did not hold")
    for part, victim in dict.fromkeys((each.phase, each.victim) for each in found):
        group = [each for each in found if (each.phase, each.victim) == (part, victim)]
        sums = [len(group), sum(each.passed for each in group), sum(each.pending for each in group)]
        sums += [sum(each.duplicates for each in group), sum(each.deletions for each in group)]
        wrong = "; ".join(f"{each.what}: {', '.join(each.violations)}" for each in group if each.violations)
        sheet.add_row(part, victim, *map(str, sums), wrong)
    table(sheet)
    say(f"{len(found)} kills, {sum(each.passed for each in found)} held")
    if not found or not all(each.passed for each in found):
        raise typer.Exit(1)
