"""`paif:content` and `paif:contentLibraries`: the libraries of images, and those that are made here."""

from __future__ import annotations

from pydantic import Field

from stacks.environment.sections.section import Section
from stacks.environment.types import LibraryUrl, NonEmptyText


class Subscription(Section):
    """What a content library follows. A token in the address is paif:libraryToken, a password paif:libraryPassword."""

    url: LibraryUrl = Field(description="address of the published library, e.g. https://…/{token}/lib.json")
    on_demand: bool = Field(default=True, description="fetch an item's files when they are first used")
    automatic_sync: bool = Field(default=True, description="follow what is published later")
    username: NonEmptyText | None = Field(default=None, description="only where the published library asks for a login")


class ContentLibrary(Section):
    """A content library that this environment makes, through the vsphere plugin; without a subscription it is local.

    A local one starts empty: somebody uploads the images.
    """

    name: NonEmptyText = Field(description="whole name; paif:content refers to it")
    datacenter: NonEmptyText
    datastore: NonEmptyText = Field(description="where its files are kept")
    subscription: Subscription | None = None


class Content(Section):
    """Content libraries by name, and the Deep Learning VM image in the first.

    They are looked up, unless paif:contentLibraries makes them.
    """

    dlvm_library: NonEmptyText
    dlvm_image: NonEmptyText
    kubernetes_library: NonEmptyText
