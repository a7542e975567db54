"""``./paif bench``."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands.arguments import AsJson
from cli.output.console import BAD_INPUT, columns, show, stop, table

bench_app = typer.Typer(
    no_args_is_help=False, help="How quick the toolkit is, measured here.", invoke_without_command=True
)


@bench_app.callback()
def bench_all(context: typer.Context) -> None:
    """Without a name: `machines`."""
    if context.invoked_subcommand is None:
        bench_machines("1,10,100", 3, False)


@bench_app.command("machines")
def bench_machines(
    machines: Annotated[str, typer.Option(help="numbers of DLVMs, with commas")] = "1,10,100",
    rounds: Annotated[int, typer.Option(min=1, help="rounds for each number; medians are shown")] = 3,
    as_json: AsJson = False,
) -> None:
    """`up` and `preview` of DLVMs, the toolkit beside a raw Pulumi program that makes the same resources.

    On a lab of their own. Exit status 1 when the toolkit takes more than 1.2 times as long.
    """
    from cli.bench import machines as bench  # noqa: PLC0415 - it loads the SDKs
    from cli.bench import scratch  # noqa: PLC0415 - few need it

    if not all(each.isdecimal() and int(each) for each in machines.split(",")):
        raise stop(f"--machines {machines}: expected numbers with commas between, such as 1,10,100", BAD_INPUT)
    if not scratch.has_own_lab():
        options = ["--json"] if as_json else []
        raise typer.Exit(
            scratch.run_on_own_lab("bench", "machines", "--machines", machines, "--rounds", str(rounds), *options)
        )
    found = bench.run([int(each) for each in machines.split(",")], rounds)
    if as_json:
        show(bench.as_json(found))
    else:
        sheet = columns("DLVMs", "command", "toolkit s", "raw s", "ratio", "toolkit MiB", "raw MiB")
        for each in found:
            sheet.add_row(
                str(each.machines),
                each.command,
                f"{each.toolkit_seconds:.2f}",
                f"{each.raw_seconds:.2f}",
                f"{each.ratio:.2f}",
                f"{each.toolkit_mib:.0f}",
                f"{each.raw_mib:.0f}",
            )
        table(sheet)
    if not bench.within_limit(found):
        raise typer.Exit(1)


@bench_app.command("environments")
def bench_environments() -> None:
    """The four environments on a lab of their own: times and memory beside what is promised; takes some minutes.

    Exit status 1 when a promise is not kept.
    """
    from cli.bench import environments as bench  # noqa: PLC0415 - few need it

    found = list(bench.run())
    sheet = columns("what", "measured", "promised")
    for each in found:
        sheet.add_row(each.what, f"{each.value:.2f} {each.unit}", f"at most {each.limit:g} {each.unit}")
    table(sheet)
    if not all(each.within_limit for each in found):
        raise typer.Exit(1)


@bench_app.command("policy")
def bench_policy(rounds: Annotated[int, typer.Option(min=1, help="pairs of previews; medians are shown")] = 5) -> None:
    """What the policy packs add to a small preview, to one of 300 and to one of 1,000 resources, in pairs.

    On a lab of their own. Exit status 1 when they add more than is promised.
    """
    from cli.bench import policies as bench  # noqa: PLC0415 - it loads the SDKs
    from cli.bench import scratch  # noqa: PLC0415 - few need it

    if not scratch.has_own_lab():
        raise typer.Exit(scratch.run_on_own_lab("bench", "policy", "--rounds", str(rounds)))
    found = bench.run(rounds)
    sheet = columns("resources", "without s", "with packs s", "added s", "added %", "promised")
    promises = (f"at most {bench.MAX_SECONDS:g} s", f"at most {bench.MAX_RATIO - 1:.0%}", "")
    for each, promise in zip(found, promises, strict=True):
        added, share = f"{each.added:.2f}", f"{100 * (each.ratio - 1):.0f}"
        sheet.add_row(str(each.resources), f"{each.without:.2f}", f"{each.with_packs:.2f}", added, share, promise)
    table(sheet)
    if not bench.within_limit(found):
        raise typer.Exit(1)
