"""The look before anything is made: what a stack file names is asked where it is, in one round, and judged at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi

from pulumi_paif import vcf
from stacks import existence, platform_checks
from stacks.capacity import device_ids, shortages, write_inventory
from stacks.connections import Connections
from stacks.environment import Environment
from stacks.problems import LocatedProblem

_LOOKUP_NAMES = {
    "apis": "which APIs the Supervisor serves",
    "releases": "Kubernetes releases",
    "images": "OS images of the Kubernetes release",
    "offers": "what DSM allows for the database",
    "databases": "the PostgresCluster that is to be used",
}


@dataclass
class PreflightResult:
    """What a look found: problems, each at its place, and what could not be looked up, in words.

    `device_ids` are the PCI device ids of the GPU model that the hosts have, `image_items` ids by the names of the
    library's items.
    """

    problems: list[LocatedProblem] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    device_ids: list[str] = field(default_factory=list)
    image_items: dict[str, str] = field(default_factory=dict)

    def warn(self) -> None:
        """Tell what could not be looked up: it stops nothing, and must not look like right either."""
        if self.unanswered:
            lines = "\n".join(f"  {each}" for each in self.unanswered)
            pulumi.log.warn(
                "This could not be looked up before anything is made, so that a mistake in it shows up in the middle "
                f"of `up` only:\n{lines}"
            )


def run_preflight(
    env: Environment,
    connections: Connections,
    phases: Collection[str],
    opts: pulumi.InvokeOptions,
    inventory_file: Path | None = None,
) -> PreflightResult:
    """Look up what an environment names, as far as these phases use it. Raises pulumi.RunError without a vCenter.

    GPU hosts that are found go to `inventory_file`, whatever is wrong with them.
    """
    return _Preflight(env, connections, frozenset(phases), inventory_file).run(opts)


@dataclass
class _Preflight:
    env: Environment
    connections: Connections
    phases: frozenset[str]
    inventory_file: Path | None = None

    def run(self, opts: pulumi.InvokeOptions) -> PreflightResult:
        env, named = self.env, existence.names(self.env)
        questions = self._lookups(named)
        answers = dict(zip(questions, vcf.ask(list(questions.values()), opts), strict=True))
        missing = _require(answers["missing"])
        absent = {(each.kind, each.name) for each in missing}
        result = PreflightResult(
            [existence.missing_name_problem(each, named[each.kind][each.name]) for each in missing]
        )
        cluster_exists = ("computeClusters", env.vcenter.compute_cluster) not in absent
        if "inventory" in answers and cluster_exists:
            inventory = _require(answers["inventory"])
            if self.inventory_file is not None:
                write_inventory(self.inventory_file, env.vcenter.compute_cluster, inventory)
            result.problems += shortages(env, inventory)
            result.device_ids = [*device_ids(env, inventory)]
        if "library" in answers and ("contentLibraries", env.content.dlvm_library) not in absent:
            library = _require(answers["library"])
            result.image_items = {item.name: item.id for item in library.items}
            image_problems = existence.image(env, library)
            result.problems += image_problems
            if not image_problems and cluster_exists:
                self._properties(answers, result)
        if "principals" in answers:
            self._principals(_require(answers["principals"]), result, ("supervisors", env.supervisor.name) in absent)
        self._platform(_require(answers["platform"]), result, opts)
        if "models" in answers:
            models = _require(answers["models"])
            result.problems += platform_checks.models(env, models)
            unknown = dict.fromkeys(each.reason for each in models if not each.status)
            result.unanswered += [f"models ({reason})" for reason in unknown]
        if "charts" in answers:
            self._charts(_require(answers["charts"]), _require(answers["platform"]), result)
        return result

    def _lookups(self, named: dict[str, Any]) -> dict[str, vcf.LookUp[Any]]:
        """All questions of the round, by what they are about."""
        env, baseline = self.env, self.env.baseline
        lookups: dict[str, vcf.LookUp[Any]] = {
            "missing": vcf.missing_names({kind: list(places) for kind, places in named.items()})
        }
        if named["computeClusters"]:
            lookups["inventory"] = vcf.gpu_inventory(env.vcenter.compute_cluster)
        # A library of this run may not be there yet: its image is waited for when it is.
        if env.workstations and env.content.dlvm_library in named["contentLibraries"]:
            lookups["library"] = vcf.content_library(env.content.dlvm_library)
            lookups["properties"] = vcf.image_properties(
                env.content.dlvm_library, env.content.dlvm_image, env.vcenter.compute_cluster
            )
        if env.namespace.access_list:
            entries = [
                vcf.AccessEntry(
                    subject_type=each.subject_type,
                    subject=each.subject,
                    domain=each.domain,
                    role=each.role,
                    identity_provider=each.identity_provider,
                )
                for each in env.namespace.access_list
            ]
            lookups["principals"] = vcf.principals(env.supervisor.name, entries)
        with_data = "data" in self.phases and env.database is not None
        lookups["platform"] = vcf.platform(
            env.namespace.name,
            vm_operator=baseline.api_version("VirtualMachine"),
            cluster_api=baseline.api_version("Cluster"),
            releases=self._needs_releases(),
            offers=with_data and env.database is not None and env.database.created,
            databases=with_data and env.database is not None and env.database.existing is not None,
            machines="workstations" in self.phases and bool(env.workstations),
        )
        gallery = self.connections.gallery
        if "endpoints" in self.phases and env.model_endpoints and gallery is not None:
            lookups["models"] = vcf.models(
                gallery.host,
                [(each.model.repository, each.model.reference) for each in env.model_endpoints],
                username=gallery.username,
                password=gallery.password.get_secret_value(),
                ca_bundle=gallery.ca,
            )
        if self._uses_clusters() and any(cluster.gpu_operator.enabled for cluster in env.clusters):
            helm = self.connections.helm
            login = {"username": helm.username, "password": helm.password.get_secret_value(), "caBundle": helm.ca}
            chart = {"repository": self._repository(), "chart": baseline.versions["gpu-operator"].chart}
            lookups["charts"] = vcf.chart_versions([chart | {key: value for key, value in login.items() if value}])
        return lookups

    def _uses_clusters(self) -> bool:
        return "clusters" in self.phases and bool(self.env.clusters)

    def _needs_releases(self) -> bool:
        # Those of a library that is made here come after it.
        created = {library.name for library in self.env.content_libraries}
        return self._uses_clusters() and self.env.content.kubernetes_library not in created

    def _repository(self) -> str:
        return self.connections.helm.repository or self.env.baseline.versions["gpu-operator"].repository

    def _properties(self, answers: dict[str, Any], result: PreflightResult) -> None:
        declared, platform = _require(answers["properties"]), _require(answers["platform"])
        if declared.known:
            result.problems += platform_checks.image_properties(
                self.env, declared.properties, platform.virtual_machines
            )
        else:
            result.unanswered.append(f"OVF properties of image {self.env.content.dlvm_image} ({declared.unanswered})")

    def _principals(self, answers: list[vcf.PrincipalAnswer], result: PreflightResult, no_supervisor: bool) -> None:
        result.problems += platform_checks.principals(self.env, answers)
        # Of a Supervisor that is not there it is told already.
        asked = [
            answer
            for entry, answer in zip(self.env.namespace.access_list, answers, strict=True)
            if not (no_supervisor and entry.identity_provider)
        ]
        unknown = dict.fromkeys(each.unanswered for each in asked if each.unanswered)
        result.unanswered += [f"users and groups of the access list ({reason})" for reason in unknown]

    def _platform(self, platform: vcf.Platform, result: PreflightResult, opts: pulumi.InvokeOptions) -> None:
        unserved = [] if "apis" in platform.unanswered else platform_checks.apis(self.env, platform.served, self.phases)
        result.problems += unserved
        reported = {path[0] for path, _ in unserved}
        unknown = dict(platform.unanswered)
        if "clusters" in reported or not platform_checks.coming_releases(self.env, platform):
            unknown = {what: reason for what, reason in unknown.items() if what not in ("releases", "images")}
        elif self._needs_releases() and "releases" not in unknown:
            self._releases(platform, result, opts)
        if "database" in reported:
            unknown = {what: reason for what, reason in unknown.items() if what not in ("offers", "databases")}
        elif "data" in self.phases and self.env.database is not None:
            result.problems += platform_checks.database(self.env, platform)
            if not platform_checks.needs_dsm(self.env, platform):
                unknown.pop("offers", None)
            elif not platform.allowed and "offers" not in unknown:
                unknown["offers"] = (
                    "no namespace of the Supervisor has a DataServicePolicyBinding that the kubeconfig's user may "
                    f"read; `./paif up {self.env.name} --until foundation` makes the namespace, of which the next run "
                    "asks"
                )
            if self.env.database.existing is None:
                unknown.pop("databases", None)
        reasons: dict[str, list[str]] = {}
        for what, reason in unknown.items():
            reasons.setdefault(reason, []).append(_LOOKUP_NAMES[what])
        result.unanswered += [f"{', '.join(words)} ({reason})" for reason, words in reasons.items()]

    def _releases(self, platform: vcf.Platform, result: PreflightResult, opts: pulumi.InvokeOptions) -> None:
        problems, to_come = platform_checks.releases(self.env, platform)
        if to_come:
            # A library that only this namespace brings along: its releases come with it.
            [library] = vcf.ask([vcf.content_library(self.env.content.kubernetes_library)], opts)
            items = [] if isinstance(library, pulumi.RunError) else [item.name for item in library.items]
            for release, problem in to_come:
                if platform_checks.library_has_release(release, items):
                    location = f"content library {self.env.content.kubernetes_library} holds it"
                    result.unanswered.append(
                        f"Kubernetes release {release} (the Supervisor does not show it yet; {location})"
                    )
                else:
                    problems.append(problem)
        result.problems += problems

    def _charts(self, answers: list[vcf.ChartAnswer], platform: vcf.Platform, result: PreflightResult) -> None:
        [answer] = answers
        problems = list(platform_checks.charts(self.env, self._repository(), answer, platform.clusters))
        result.problems += problems
        if not answer.status and not problems:
            result.unanswered.append(f"the chart of the GPU Operator ({answer.reason})")


def _require(answer: Any) -> Any:
    """An answer, or what kept it from being given. Raises pulumi.RunError."""
    if isinstance(answer, pulumi.RunError):
        raise answer
    return answer
