"""Which server an OPTIMADE provider's name stands for, by the list that the OPTIMADE consortium keeps."""

from __future__ import annotations

from typing import Any

from crystalforge.errors import MissingDependencyError, SourceError, UsageError
from crystalforge.suggestions import hint

EXAMPLES = "optimade:mp, optimade:alexandria/alexandria-pbe, optimade:https://optimade.materialsproject.org"


def server_of(provider: str) -> str:
    """Base URL of a provider's database.

    Args:
        provider: identifier, as ``mp``; with the database where there are several, as ``alexandria/alexandria-pbe``.

    Raises:
        MissingDependencyError: the package ``optimade`` is not installed.
        SourceError: the list, or the provider's own, cannot be read.
        UsageError: there is no such provider or database, or several.
    """
    name, _, database = provider.partition("/")
    databases = _databases(_known_provider(name), name)
    if database:
        if database not in databases:
            raise UsageError(f"Provider {name!r} has no database {database!r}.{hint(database, databases)}")
        return databases[database]
    if len(databases) != 1:
        several = ", ".join(f"optimade:{name}/{one}" for one in databases) or "none"
        raise UsageError(f"Provider {name!r} has {len(databases)} databases: expected one of {several}.")
    return next(iter(databases.values()))


def _known_provider(name: str) -> dict[str, Any]:
    try:
        from optimade.utils import get_providers
    except ImportError as error:
        raise MissingDependencyError(
            "OPTIMADE's providers are looked up by its client: pip install 'crystalforge[optimade]'."
        ) from error
    try:
        providers = {one["id"]: one for one in get_providers() if one.get("base_url")}
    except Exception as error:  # whatever the list's server gave: requests' errors, no JSON, no objects
        raise SourceError(_unreachable(type(error).__name__)) from error
    if not providers:
        raise SourceError(_unreachable("no list came"))
    if name not in providers:
        raise UsageError(f"There is no OPTIMADE provider {name!r}.{hint(name, sorted(providers))} Or give a URL.")
    return providers[name]


def _unreachable(why: str) -> str:
    return (
        f"The list of OPTIMADE providers cannot be read ({why}): expected an answer of providers.optimade.org. "
        f"Give the URL of the server itself, as {EXAMPLES.rpartition(' ')[2]}"
    )


def _databases(provider: dict[str, Any], name: str) -> dict[str, str]:
    """Database → base URL."""
    from optimade.utils import get_child_database_links

    try:
        links = get_child_database_links(provider, obey_aggregate=False)
    except Exception as error:  # as above, and the client's own RuntimeError
        raise SourceError(
            f"The databases of provider {name!r} cannot be read: {str(error)[:300]}. Give the URL of one instead, "
            f"as {EXAMPLES.rpartition(' ')[2]}"
        ) from error
    return {str(link.id): str(link.attributes.base_url) for link in links}
