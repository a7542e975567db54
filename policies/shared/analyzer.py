"""Judges by one pack: which run it is, which rules look at a resource, what is told of it.

Every rule that looks at a resource's type is run on it. Each violation carries its rule's own name, severity and level.
What a rule cannot decide at preview is listed; what crashes fails its check.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Generic

from paif_catalog.predicates import Guards
from policies.shared import describing
from policies.shared.configuration import Exemption, schema
from policies.shared.diagnostics import error_location, exemption_terms, messages_of, remedy_for, undecided_message
from policies.shared.judging import judge
from policies.shared.model import (
    Level,
    Resource,
    Rule,
    Run,
    Severity,
    TableKey,
    Undecided,
    UndecidedError,
    WrongFormError,
)
from policies.shared.pack import M, Pack, S
from policies.shared.properties import Decoder, decode, judged_type
from policies.shared.protocol import LEVEL_OF, LEVELS, SEVERITIES, messages
from policies.shared.redaction import Redactor
from policies.shared.remediation import put_right
from policies.shared.reporting import Finding, Reporter
from policies.shared.runs import RunInfo, expected_guards, platform_name, settings_of, start, statements

NAMESPACE = "paif:"


@dataclass
class _Evaluation(Generic[S, M]):
    """What a rule has said of a resource, after it read what the pack remembers of others."""

    rule: Rule[S, M]
    resource: Resource
    reported: set[str] = field(default_factory=set)
    pending: bool = False
    blocked: bool = False


class Analyzer(Generic[S, M]):
    """Serves one pack. Not thread-safe: the server runs one call at a time."""

    def __init__(self, pack: Pack[S, M], reporter: Reporter | None = None, *, first: bool = True) -> None:
        """`first`: the only pack of its process, or the one that says what is the same for all of them."""
        self.pack = pack
        self._first = first
        self._reporter = reporter or Reporter(pack.name)
        self._pack_config: dict[str, Any] = {}
        self._overrides: dict[str, Level] = {}
        self._reported: dict[str, Level] = {}
        self._run_info: RunInfo | None = None
        self._run: Run[S, M] | None = None
        self._preamble_reported = False
        self._dispatch: dict[str, tuple[bool, list[Rule[S, M]]]] = {}
        self._used_exemptions: set[int] = set()
        self._evaluations: dict[tuple[str, str], _Evaluation[S, M]] = {}
        self._readers: dict[TableKey, dict[tuple[str, str], None]] = {}

    # What a run is.

    def _ensure_run(self, urn: str) -> Run[S, M]:
        """The run that a resource belongs to; the first resource starts it."""
        if self._run is None:
            if self._run_info is None:
                stack, project = urn.split("::")[:2]
                self._run_info = RunInfo(stack.removeprefix("urn:pulumi:"), project, dry_run=True)
            self._run = start(self.pack, self._run_info, self._pack_config)
            self._preamble_reported = False
            self._used_exemptions, self._evaluations, self._readers = set(), {}, {}
        return self._run

    def _level(self, rule: Rule[S, M], settings: S, guards: Guards) -> Level:
        return self._overrides.get(rule.name) or settings.enforcement.get(rule.name) or rule.levels[guards.levels]

    # The protocol.

    def configure_stack(self, request: Any) -> None:
        """Learn the stack and its configuration; a new run starts, nothing of an earlier one is remembered."""
        hidden = set(request.config_secret_keys)
        environment, secrets = {}, {}
        for key, text in request.config.items():
            if not key.startswith(NAMESPACE):
                continue
            name = key.removeprefix(NAMESPACE)
            if key in hidden:
                secrets[name] = text
            else:
                environment[name] = _parse_value(text)
        self._run_info = RunInfo(request.stack, request.project, request.dry_run, environment, secrets)
        self._run = None
        self._pack_config, self._overrides = {}, {}
        settings_of(self.pack, self._run_info, self._pack_config)

    def describe(self, info: Any) -> None:
        """Add every rule as a policy of its own, at the level that it has in this environment."""
        settings = settings_of(self.pack, self._run_info, self._pack_config)
        guards = expected_guards(settings, self._run_info)
        project = self._run_info.project if self._run_info else ""
        configuration = info.policies.add(
            name=self.pack.configuration,
            description=f"Settings of the pack {self.pack.name}",
            enforcementLevel=messages.MANDATORY,
            policy_type=messages.POLICY_TYPE_RESOURCE,
        )
        configuration.configSchema.properties.update(schema(self.pack.settings))
        info.policies.add(
            name=self.pack.exemptions,
            description="Exemptions are listed in every run and fail it once they have expired",
            enforcementLevel=messages.MANDATORY,
            policy_type=messages.POLICY_TYPE_RESOURCE,
        )
        self._overrides = {}
        for rule in self.pack.rules:
            self._reported[rule.name] = self._level(rule, settings, guards)
            policy = info.policies.add(
                name=rule.name,
                description=rule.reason,
                enforcementLevel=LEVELS[self._reported[rule.name]],
                severity=SEVERITIES[rule.severity],
                remediation_steps=remedy_for(project, rule),
                url=rule.address,
                policy_type=messages.POLICY_TYPE_RESOURCE,
            )
            describing.fill(policy, rule, self.pack.name, platform_name(settings, self._run_info))

    def configure(self, request: Any) -> None:
        """Take a --policy-pack-config file. The engine names every rule: what equals our own level was not set."""
        self._overrides = {}
        self._pack_config = {}
        for name, config in request.policyConfig.items():
            level = LEVEL_OF[config.enforcementLevel]
            if name == self.pack.configuration:
                self._pack_config = Decoder().decode(config.properties)
            elif level != self._reported.get(name, level):
                self._overrides[name] = level
        self._run = None
        if self._run_info:
            settings_of(self.pack, self._run_info, self._pack_config)

    def analyze(self, request: Any, decoded: Callable[[], Resource], response: Any) -> None:
        """Run every rule that looks at the resource's type."""
        run = self._ensure_run(request.urn)
        if not self._preamble_reported:
            # Not when the run begins: a remediation begins it, and its answer has no room for them.
            self._preamble_reported = True
            for name, text, level, severity in statements(self.pack, run, self._overrides, first=self._first):
                self._report(response, name, text, level, severity, request.urn)
        observed, rules = self._rules_for(judged_type(request.type))
        if not observed and not rules:
            return
        resource = decoded()
        run.writes.clear()
        if observed:
            self._observe(resource, run, response)
        # Those that read it before it was there; a machine that is refused already does not come to exist.
        readers = {key: None for table_key in run.writes for key in self._readers.get(table_key, ())}
        repeated = [self._evaluations[key] for key in readers if key[1] != resource.urn]
        for rule in rules:
            evaluation = _Evaluation(rule, resource, pending=rule.at_end)
            if rule.at_end:
                self._evaluations[rule.name, resource.urn] = evaluation
            else:
                self._evaluate(evaluation, run, response)
        for evaluation in repeated:
            if not evaluation.blocked:
                self._evaluate(evaluation, run, response)

    def analyze_stack(self, response: Any) -> None:
        """Tell what still waits for a resource that never came, and which exemptions nothing needed.

        Everything else is judged before it exists, not here. During `up` nothing waits: it has been refused.
        """
        if self._run is not None:
            if self._run.dry_run:
                for evaluation in list(self._evaluations.values()):
                    if evaluation.pending:
                        self._evaluate(evaluation, self._run, response, last=True)
            for index, exemption in enumerate(self._run.settings.exemptions):
                if index not in self._used_exemptions and exemption.expires >= self._run.today:
                    text = f"exemption of {exemption.resource} from {exemption.rule} was not needed: remove it"
                    self._report(response, self.pack.exemptions, text, Level.ADVISORY, Severity.LOW, "")

    @property
    def run(self) -> Run[S, M] | None:
        """The run under way."""
        return self._run

    @property
    def has_remediations(self) -> bool:
        """Whether any rule can put something right."""
        return any(rule.remediate for rule in self.pack.rules)

    def remediate(self, request: Any, response: Any) -> None:
        """Put right what can be put right safely."""
        if not self.has_remediations or (self._run is None and self._run_info is None):
            return
        run = self._ensure_run(request.urn)
        rules = [rule for rule in self._rules_for(judged_type(request.type))[1] if rule.remediate is not None]
        rules = [rule for rule in rules if self._level(rule, run.settings, run.guards) is Level.REMEDIATE]
        rules = [rule for rule in rules if self._exemption(rule.name, request.urn, run) is None]
        if rules:
            put_right(self.pack.name, rules, decode(request), run, request, response)

    # Judging.

    def _rules_for(self, kind: str) -> tuple[bool, list[Rule[S, M]]]:
        entry = self._dispatch.get(kind)
        if entry is None:
            rules = [rule for rule in self.pack.rules if any(fnmatchcase(kind, each) for each in rule.types)]
            observed = any(fnmatchcase(kind, each) for each in self.pack.observed)
            entry = self._dispatch[kind] = (observed, rules)
        return entry

    def _observe(self, resource: Resource, run: Run[S, M], response: Any) -> None:
        if self.pack.observe is None:
            return
        try:
            self.pack.observe(resource, run)
        except (UndecidedError, WrongFormError):
            # Whoever needs what is not known yet, or not readable, finds it so in the resource itself.
            return
        except Exception as error:
            text = (
                f"{resource.label}: could not be looked at, so that later checks may miss it ({error_location(error)})"
            )
            self._report(response, f"{self.pack.name}-observation", text, Level.MANDATORY, Severity.HIGH, resource.urn)

    def _evaluate(self, evaluation: _Evaluation[S, M], run: Run[S, M], response: Any, *, last: bool = False) -> None:
        """Run a rule on a resource, and report what it has not said of it yet. `last`: no resource comes any more."""
        rule, resource = evaluation.rule, evaluation.resource
        level = self._level(rule, run.settings, run.guards)
        if level is Level.DISABLED:
            return
        # What a remediation put right is no violation any more; what it could not is one.
        level = Level.MANDATORY if level is Level.REMEDIATE else level
        key = (rule.name, resource.urn)
        run.reads.clear()
        violations, undecided, crash = judge(rule, resource, run, level)
        evaluation.pending = any(each.declare for each in undecided)
        if run.reads or evaluation.pending:
            self._evaluations[key] = evaluation
            for table_key in run.reads:
                self._readers.setdefault(table_key, {})[key] = None
        waiting = [each for each in dict.fromkeys(undecided) if run.dry_run and not (last and _must_be_told(each))]
        self._reporter.count_undecided(self.pack.name, *key, len(waiting))
        if not violations and not undecided and not crash:
            return
        redactor = Redactor(resource, run.secrets.values())
        missing = [each for each in dict.fromkeys(undecided) if each not in waiting]
        failures = messages_of(rule, resource, run, redactor, violations=violations, crash=crash, missing=missing)
        exemption = self._exemption(rule.name, resource.urn, run)
        if exemption is not None:
            terms = f"exempted {exemption_terms(exemption)}"
            failures = [(f"{terms}\n{text}", (terms, cause)) for text, cause in failures]
            level = Level.ADVISORY
        evaluation.blocked = not run.dry_run and bool(failures) and level is Level.MANDATORY
        told: list[tuple[str, Level, Hashable]] = [(text, level, cause) for text, cause in failures]
        if self._reporter.each:
            told += [(undecided_message(resource, each, redactor), Level.ADVISORY, None) for each in waiting]
        for message, level_, cause in told:
            if message not in evaluation.reported:
                evaluation.reported.add(message)
                name = redactor.text(resource.label)
                self._report(response, rule.name, message, level_, rule.severity, resource.urn, name, cause)

    def _exemption(self, rule: str, urn: str, run: Run[S, M]) -> Exemption | None:
        for index, each in enumerate(run.settings.exemptions):
            if each.rule == rule and each.expires >= run.today and fnmatchcase(urn, each.resource):
                self._used_exemptions.add(index)
                return each
        return None

    def _report(
        self,
        response: Any,
        name: str,
        text: str,
        level: Level,
        severity: Severity,
        urn: str,
        label: str = "",
        cause: Hashable = None,
    ) -> None:
        finding = Finding(self.pack.name, name, level, severity, urn, text, label, cause)
        self._reporter.tell(response, finding, dry_run=self._run is None or self._run.dry_run)


def _must_be_told(what: Undecided) -> bool:
    """Whether it is refused when no resource comes any more that could tell it."""
    return bool(what.declare) and not what.unnamed


def _parse_value(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
