"""Users and groups of vCenter's single sign-on, read over SOAP: the REST API has no look-up for them.

Source: vSphere Web Services API 9.0, UserDirectory (`domainList`, RetrieveUserGroups). Blocking: run it in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .soap import signed_in
from .values import Props
from .vcenter import Account

_SHOWN = 200
"""Names that are read at most where a name is not found: a directory may have thousands."""


def principals(account: Account, entries: Sequence[Props]) -> list[Props]:
    """For each entry {subjectType, subject, domain}: {found, domains, known}.

    `domains` are those that vCenter knows, where it does not know this one; `known` some subjects of the same type in
    the domain, where this one is not among them. Raises VcfError.
    """
    # pyvmomi is only needed here: its import costs time and memory in every plugin start otherwise.
    from pyVmomi import vim  # noqa: PLC0415

    with signed_in(account, "users and groups") as content:
        directory = content.userDirectory
        return [_looked_up(directory, vim, entry) for entry in entries]


def _looked_up(directory: Any, vim: Any, entry: Props) -> Props:
    wanted = str(entry["subject"]).lower()
    try:
        if wanted in {name.lower() for name in _names(directory, entry, entry["subject"], exact=True)}:
            return {"found": True, "domains": [], "known": []}
        known = sorted(_names(directory, entry, "", exact=False))[:_SHOWN]
    except vim.fault.NotFound:
        return {"found": False, "domains": [str(each) for each in directory.domainList or []], "known": []}
    return {"found": wanted in {name.lower() for name in known}, "domains": [], "known": known}


def _names(directory: Any, entry: Props, text: str, *, exact: bool) -> set[str]:
    """Subjects of the entry's type and domain, without what names the domain in them."""
    group = entry["subjectType"] == "GROUP"
    found = directory.RetrieveUserGroups(
        domain=entry["domain"], searchStr=text, exactMatch=exact, findUsers=not group, findGroups=group
    )
    return {str(each.principal).rpartition("\\")[2].partition("@")[0] for each in found or [] if each.group == group}
