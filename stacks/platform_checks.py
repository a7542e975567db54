"""What is wrong with an environment, judged by what its platform has: pure, from answers that were read before.

What this environment has made already, or makes itself, is not missing. Every problem lies where the stack file asks
for it and names what there is instead.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import paif_catalog as catalog
from paif_catalog.nearest_names import nearest
from pulumi_paif.vcf import ChartAnswer, DatabaseOffer, ModelAnswer, Platform, PrincipalAnswer, StandingDatabase
from stacks.environment import Environment, storage_class
from stacks.environment.sections.database import Database
from stacks.environment.sections.workstations import Workstation
from stacks.problems import LocatedProblem, Path, join_names, located_problem

_SHOWN = 12
_OS = "ubuntu"
"""Operating system of all nodes: the GPU Operator supports no other that VKS has."""
_UNITS = {"Mi": 1 / 1024, "Gi": 1.0, "Ti": 1024.0}


def _sample(names: Collection[str], wanted: str) -> str:
    """Names as a sentence lists them, those most like `wanted` when there are too many."""
    every = sorted(set(names))
    if len(every) <= _SHOWN:
        return join_names(every)
    near = nearest(wanted, every)
    shown = [near, *(name for name in every if name != near)][:_SHOWN] if near else every[:_SHOWN]
    return f"{join_names(shown)} and {len(every) - _SHOWN} more"


def principals(env: Environment, answers: Sequence[PrincipalAnswer]) -> Iterator[LocatedProblem]:
    """Entries of the access list that nobody has."""
    for index, (entry, answer) in enumerate(zip(env.namespace.access_list, answers, strict=True)):
        path: Path = ("namespace", "accessList", index)
        if answer.found:
            continue
        if answer.domains:
            expected = f"an SSO domain that vCenter has: {_sample(answer.domains, entry.domain)}"
            yield located_problem((*path, "domain"), expected, entry.domain, nearest(entry.domain, answer.domains))
        elif not answer.unanswered and entry.identity_provider is not None:
            expected = f"the id of an identity provider of the Supervisor: {_sample(answer.known, '')}"
            yield located_problem((*path, "identityProvider"), expected, entry.identity_provider)
        elif not answer.unanswered:
            kind = entry.subject_type.lower()
            expected = f"a {kind} that domain {entry.domain} has: {_sample(answer.known, entry.subject)}"
            yield located_problem((*path, "subject"), expected, entry.subject, nearest(entry.subject, answer.known))


def property_keys(env: Environment, workstation: Workstation) -> set[str]:
    """OVF properties that are set on a workstation."""
    keys = {"hostname", "password"}
    if workstation.public_key:
        keys.add("public-keys")
    if workstation.proxy is not None and (workstation.proxy.http or workstation.proxy.https):
        keys.add("user-data")
    if env.gpu.mode == "vgpu":
        keys |= {
            key
            for key, given in (("vgpu-license", env.license_token), ("nvidia-portal-api-key", env.ngc_api_key))
            if given is not None
        }
    return keys


def image_properties(env: Environment, declared: Sequence[str], standing: Collection[str]) -> Iterator[LocatedProblem]:
    """An image that drops what its machines are given; `standing` are machines that are there, whatever they got."""
    coming = [each for each in env.workstations if env.full_name(each) not in standing]
    dropped = set[str]().union(*(property_keys(env, each) for each in coming)) - set(declared)
    if dropped:
        consequence = "; without vgpu-license a machine has no NVIDIA license" if "vgpu-license" in dropped else ""
        yield located_problem(
            ("content", "dlvmImage"),
            f"an image with the OVF properties {join_names(dropped)}, which are set on its machines and which vSphere "
            f"drops where the image does not declare them{consequence}. It declares: {join_names(declared)}",
            env.content.dlvm_image,
        )


def models(env: Environment, answers: Sequence[ModelAnswer]) -> Iterator[LocatedProblem]:
    """Models that are not in the gallery."""
    for index, (endpoint, answer) in enumerate(zip(env.model_endpoints, answers, strict=True)):
        path: Path = ("modelEndpoints", index, "model")
        model, near = endpoint.model, ""
        if answer.status == "denied":
            yield located_problem(
                (*path, "repository"), f"a model that can be pulled: {answer.reason}", model.repository
            )
        elif answer.status == "missing" and answer.tags:
            if not model.reference.startswith("sha256:"):
                near = nearest(model.reference, answer.tags)
            expected = f"what the gallery has of {model.repository}: {_sample(answer.tags, model.reference)}"
            yield located_problem((*path, "reference"), expected, model.reference, near)
        elif answer.status == "missing":
            there = _sample(answer.repositories, model.repository) if answer.repositories else "it lists none"
            expected = (
                f"a model in the gallery, which has: {there}. MLOps push it, from a workstation that "
                f"`./paif up {env.name} --until workstations` makes, or elsewhere"
            )
            near = nearest(model.repository, answer.repositories)
            yield located_problem((*path, "repository"), expected, model.repository, near)


def charts(
    env: Environment, repository: str, answer: ChartAnswer, standing: Collection[str]
) -> Iterator[LocatedProblem]:
    """Versions of the GPU Operator that its repository does not have, or a repository that cannot be used from here.

    `standing` are clusters that are there: what they have was installed from a repository that answered then.
    """
    coming = [each for each in env.clusters if each.gpu_operator.enabled and env.full_name(each) not in standing]
    fact = env.baseline.versions["gpu-operator"]
    if answer.status == "found" and answer.versions:
        for index, cluster in enumerate(env.clusters):
            version = cluster.gpu_operator.version or fact.version
            if cluster.gpu_operator.enabled and _exact(version) and not _has_version(answer.versions, version):
                path: Path = ("clusters", index, "gpuOperator", "version")
                expected = f"a version of chart {fact.chart} that {repository} has: {_sample(answer.versions, version)}"
                yield located_problem(path, expected, version, nearest(version, answer.versions))
    elif answer.status or coming:
        reason = answer.reason or f"it has no chart {fact.chart}"
        yield located_problem(
            ("chartRepository",), f"a Helm repository with chart {fact.chart} that answers here: {reason}", repository
        )


def _exact(version: str) -> bool:
    """Whether a version is one, and no range of Helm's."""
    return re.fullmatch(r"v?\d+\.\d+\.\d+\S*", version) is not None


def _has_version(versions: Collection[str], wanted: str) -> bool:
    # Helm takes a version with or without its v.
    return wanted.removeprefix("v") in {each.removeprefix("v") for each in versions}


def apis(env: Environment, served: Collection[str], phases: Collection[str]) -> list[LocatedProblem]:
    """Parts of the environment whose API the Supervisor does not serve."""
    machines = any(each.route == "vm-service" for each in env.workstations)
    needed = (
        ("data", "database", env.database is not None and env.database.external is None, "PostgresCluster", "DSM"),
        ("ai-services", "aiServices", env.ai_services is not None, "PAISConfiguration", "Private AI Services"),
        ("workstations", "workstations", machines, "VirtualMachine", "the VM Service"),
        ("clusters", "clusters", bool(env.clusters), "Cluster", "VKS"),
    )
    found = []
    for phase, key, wanted, kind, service in needed:
        api = env.baseline.api_version(kind)
        if phase in phases and wanted and api not in served:
            group = api.partition("/")[0]
            others = [each for each in served if each.partition("/")[0] == group]
            there = f"it serves {join_names(others)}" if others else f"is {service} installed there?"
            found.append(located_problem((key,), f"a Supervisor that serves {api} ({there})"))
    return found


def coming_releases(env: Environment, platform: Platform) -> dict[int, str]:
    """Releases of clusters, by their place, that are to be made or to get another one than they have."""
    asked = {
        index: cluster.release or env.baseline.versions["kubernetes-release"].version
        for index, cluster in enumerate(env.clusters)
    }
    has = [platform.clusters.get(env.full_name(cluster), "") for cluster in env.clusters]
    return {index: release for index, release in asked.items() if not catalog.Release.agree(has[index], release)}


def releases(env: Environment, platform: Platform) -> tuple[list[LocatedProblem], list[tuple[str, LocatedProblem]]]:
    """Releases that a cluster cannot be made of; and apart, those that the Supervisor does not know, each with why."""
    wrong: list[LocatedProblem] = []
    unknown: list[tuple[str, LocatedProblem]] = []
    coming = coming_releases(env, platform)
    usable = [each.version for each in platform.offered if not each.against and each.images]
    for index, cluster in enumerate(env.clusters):
        if index not in coming:
            continue
        release = coming[index]
        path: Path = ("clusters", index, "release")
        there = _sample(usable, release)
        meant = [each for each in platform.offered if catalog.Release.agree(release, each.version)]
        if not meant:
            expected = f"a Kubernetes release that the Supervisor has: {there}"
            unknown.append((release, located_problem(path, expected, release, nearest(release, usable))))
        elif all(each.against for each in meant):
            expected = f"a Kubernetes release that can be used ({meant[0].against}); there are: {there}"
            wrong.append(located_problem(path, expected, release))
        elif "images" not in platform.unanswered:
            come = {image.version for each in meant if not each.against for image in each.images if image.os == _OS}
            if not come:
                expected = (
                    f"a Kubernetes release whose OS image for {_OS} has come to the Supervisor, which may take minutes "
                    f"after the release shows; there are: {there}"
                )
                wrong.append(located_problem(path, expected, release))
            elif cluster.os_version is not None and cluster.os_version not in come:
                expected = f"a version of Ubuntu of which {release} has an image here: {join_names(come)}"
                path = ("clusters", index, "osVersion")
                wrong.append(located_problem(path, expected, cluster.os_version))
    return wrong, unknown


_NAMED = re.compile(r"v\d+\.\d+\.\d+(?:\+|---)vmware\.\d+(?:-fips)?(?:-vkr\.\d+)?")


def library_has_release(release: str, items: Collection[str]) -> bool:
    """Whether a content library has an image of a release, which its items carry in their names."""
    return any(catalog.Release.agree(release, found[0]) for item in items if (found := _NAMED.search(item)))


def _standing(env: Environment, platform: Platform) -> StandingDatabase | None:
    asked = env.database
    name = env.full_name(asked) if asked is not None and asked.created else ""
    return next((each for each in platform.standing if each.name == name), None)


def needs_dsm(env: Environment, platform: Platform) -> bool:
    """Whether the database is one that DSM has still to make, or to make another of."""
    asked, standing = env.database, _standing(env, platform)
    if asked is None or not asked.created or standing is None:
        return asked is not None and asked.created
    location = asked.backup.location if asked.backup is not None else ""
    return (
        _database_version(env, asked) != standing.version
        or asked.infrastructure_policy != standing.infrastructure_policy
        or location not in ("", standing.backup_location)
    )


def _database_version(env: Environment, asked: Database) -> str:
    return asked.version or env.baseline.versions["dsm-postgresql"].version


def database(env: Environment, platform: Platform) -> list[LocatedProblem]:
    """What of a database DSM does not allow; what is in use already is not asked for again."""
    asked = env.database
    if asked is None or asked.external is not None:
        return []
    if asked.existing is not None:
        names = [each.name for each in platform.standing]
        if "databases" in platform.unanswered or asked.existing in names:
            return []
        expected = f"a PostgresCluster that namespace {env.namespace.name} has: {_sample(names, asked.existing)}"
        return [located_problem(("database", "existing"), expected, asked.existing, nearest(asked.existing, names))]
    if not platform.allowed:
        return []
    return list(_not_allowed(env, asked, platform.allowed, _standing(env, platform)))


def _not_allowed(
    env: Environment, asked: Database, allowed: Sequence[DatabaseOffer], standing: StandingDatabase | None
) -> Iterator[LocatedProblem]:
    own = [each.namespace for each in allowed] == [env.namespace.name]
    where = "in this namespace" if own else "in a namespace of this Supervisor"
    # Another policy of DSM may be meant for a namespace that nobody has made yet.
    way = "" if own else f"; where it is to allow more in this one, `./paif up {env.name} --until foundation` first"
    policies = {policy.name for offer in allowed for policy in offer.infrastructure_policies}
    versions = {version for offer in allowed for version in offer.versions}
    locations = {location for offer in allowed for location in offer.backup_locations}
    version = _database_version(env, asked)
    policy = asked.infrastructure_policy or ""
    location = asked.backup.location if asked.backup is not None else ""
    checks: tuple[tuple[Path, str, str, str, set[str]], ...] = (
        (
            ("database", "infrastructurePolicy"),
            "an infrastructure policy",
            policy,
            standing.infrastructure_policy if standing else "",
            policies,
        ),
        (
            ("database", "version"),
            "a version of PostgreSQL",
            version,
            standing.version if standing else "",
            # A major by itself is DSM's newest of it.
            versions | {each.partition(".")[0] for each in versions} if version.isdecimal() else versions,
        ),
        (
            ("database", "backup", "location"),
            "a backup location",
            location,
            standing.backup_location if standing else "",
            locations,
        ),
    )
    for path, what, value, used, names in checks:
        if value and value not in (used, *names):
            there = _sample(names - {each.partition(".")[0] for each in versions}, value)
            expected = f"{what} that DSM allows {where}: {there}{way}"
            yield located_problem(path, expected, value, nearest(value, names))
    replicas = {number for offer in allowed for number in offer.replicas}
    wanted = 1 if asked.high_availability else 0
    if replicas and wanted not in replicas and (standing is None or standing.replicas != wanted):
        sizes = join_names(str(each) for each in replicas)
        expected = f"a number of replicas that DSM allows {where}: {sizes}; this asks for {wanted}{way}"
        yield located_problem(("database", "highAvailability"), expected, asked.high_availability)
    yield from _too_large(asked, allowed, standing, where)
    yield from _not_of_the_policy(env, asked, allowed, standing)


def _too_large(
    asked: Database, allowed: Sequence[DatabaseOffer], standing: StandingDatabase | None, where: str
) -> Iterator[LocatedProblem]:
    limits = [_gib(each.max_storage) for each in allowed]
    most = max((limit for limit in limits if limit is not None), default=None)
    used = _gib(standing.storage_space) if standing else None
    if None not in limits and most is not None and asked.storage_gib > most and asked.storage_gib != used:
        yield located_problem(
            ("database", "storageGib"), f"at most {most:.0f}, which DSM allows {where}", asked.storage_gib
        )


def _gib(quantity: str) -> float | None:
    found = re.fullmatch(r"(\d+)(Mi|Gi|Ti)", quantity)
    return int(found[1]) * _UNITS[found[2]] if found else None


def _not_of_the_policy(
    env: Environment, asked: Database, allowed: Sequence[DatabaseOffer], standing: StandingDatabase | None
) -> Iterator[LocatedProblem]:
    """VM class and storage policy that the infrastructure policy leaves out, of those that the namespace may use.

    What a namespace may not use yet says nothing: the policy shows it once the namespace does.
    """
    chosen = [
        (offer, policy)
        for offer in allowed
        for policy in offer.infrastructure_policies
        if policy.name == asked.infrastructure_policy
    ]
    vm_class, storage = env.vm_class_name(asked.vm_class), env.storage_policy(asked.storage_policy)
    same = standing is not None and standing.infrastructure_policy == asked.infrastructure_policy
    if not (same and standing and standing.vm_class == vm_class):
        left_out = [policy for offer, policy in chosen if vm_class in offer.bound_classes]
        classes = {each for policy in left_out for each in policy.vm_classes}
        if left_out and classes and vm_class not in {each for _, policy in chosen for each in policy.vm_classes}:
            expected = (
                f"a class that infrastructure policy {asked.infrastructure_policy} allows: {_sample(classes, vm_class)}"
            )
            yield located_problem(("database", "class"), expected, vm_class, nearest(vm_class, classes))
    if not (same and standing and standing.storage_policy == storage):
        left_out = [policy for offer, policy in chosen if storage_class(storage) in offer.bound_storage]
        names = {each for policy in left_out for each in policy.storage_policies}
        known = {storage_class(each) for _, policy in chosen for each in policy.storage_policies}
        if left_out and names and storage_class(storage) not in known:
            allows = f"a storage policy that infrastructure policy {asked.infrastructure_policy} allows"
            path: Path = ("database", "storagePolicy")
            yield located_problem(path, f"{allows}: {_sample(names, storage)}", storage, nearest(storage, names))
