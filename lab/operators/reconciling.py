"""How a handler of an object becomes a reconciler: every error is tried again with back-off, and logged once."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import httpx
import kopf

from lab.operators.kubernetes_api import ApiError
from lab.operators.log import log, say_once
from lab.operators.pace import backoff
from lab.operators.resources import Resource
from lab.supervision.control import LabDownError
from lab.supervision.part import PartFailedError

_F = TypeVar("_F", bound=Callable[..., Any])


def _retry(kwargs: Mapping[str, Any], error: Exception) -> kopf.TemporaryError:
    body = kwargs.get("body") or {}
    metadata = body.get("metadata", {})
    subject = "/".join(
        str(part) for part in (body.get("kind"), metadata.get("namespace"), metadata.get("name")) if part
    )
    if isinstance(error, kopf.TemporaryError):
        say_once(subject, str(error), logging.INFO)
        return error
    known = (ApiError, httpx.TransportError, LabDownError, PartFailedError, OSError)
    if isinstance(error, known):
        say_once(subject, str(error) or type(error).__name__)
    else:
        log.exception("%s: unexpected error in the simulation; it will be tried again", subject)
    # kopf keeps the message in an annotation of the object.
    return kopf.TemporaryError(str(error)[:200], delay=backoff(int(kwargs.get("retry") or 0)))


def reconciling(function: _F) -> _F:
    """Make a kopf handler (sync or async) a reconciler: every error is tried again with back-off, logged once.

    The handler must be idempotent: it also runs after a restart, and after a kill in its middle. Raise ``Later`` to
    wait without it being an error.
    """
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> None:
            try:
                await function(*args, **kwargs)
            except kopf.PermanentError:
                raise
            except Exception as error:
                raise _retry(kwargs, error) from None

        return cast(_F, run_async)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except kopf.PermanentError:
            raise
        except Exception as error:
            raise _retry(kwargs, error) from None

    return cast(_F, run)


def on_change(resource: Resource) -> Callable[[_F], _F]:
    """Register a reconciler of a kind: runs for every object at start, at creation and at each change."""

    def register(function: _F) -> _F:
        handler = reconciling(function)
        for when in (kopf.on.resume, kopf.on.create, kopf.on.update):
            when(*resource.selector)(handler)
        return handler

    return register


def on_delete(resource: Resource) -> Callable[[_F], _F]:
    """Register what must happen before an object of a kind may go; the lab's finalizer holds it until then."""

    def register(function: _F) -> _F:
        handler = reconciling(function)
        kopf.on.delete(*resource.selector)(handler)
        return handler

    return register
