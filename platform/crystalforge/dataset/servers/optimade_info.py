"""What an OPTIMADE server says of itself: provider, licence, versions, and the properties of its structures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from crystalforge.dataset.servers.optimade_client import client_of, link_of, raise_failure
from crystalforge.dataset.servers.optimade_filters import ServerFields, server_fields
from crystalforge.errors import SourceError

if TYPE_CHECKING:
    from crystalforge.dataset.servers.transport import Transport


@dataclass(frozen=True)
class ServerInfo:
    """What a server says of itself.

    Attributes:
        fields: its names of space group and energies.
        provider: who runs it.
        prefix: of the provider's own properties.
        homepage: of the provider.
        api_version: of OPTIMADE.
        database_version: of the data, or of the server's program, where it tells.
        licences: SPDX identifiers; empty where it states none.
        licence_page: URL; empty where it states none.
    """

    fields: ServerFields
    provider: str
    prefix: str
    homepage: str
    api_version: str
    database_version: str
    licences: tuple[str, ...]
    licence_page: str


def read_info(transport: Transport, url: str) -> ServerInfo:
    """Ask a server what it is and which properties it has.

    Raises:
        SourceError: it does not answer as OPTIMADE does.
    """
    base, about = _info(transport, url, "info")
    properties, _ = _info(transport, url, "info/structures")
    listed = properties.get("properties")
    if not isinstance(listed, dict):
        raise SourceError(f"{url} is no OPTIMADE server: expected the list of its properties at /v1/info/structures.")
    said = base.get("attributes") or {}
    provider, program = about.get("provider") or {}, about.get("implementation") or {}
    database = about.get("database") or {}
    licences = said.get("available_licenses") or said.get("available_licenses_for_entries") or []
    return ServerInfo(
        fields=server_fields(listed),
        provider=str(provider.get("name") or urlsplit(url).netloc),
        prefix=str(provider.get("prefix") or ""),
        homepage=link_of(provider.get("homepage")),
        api_version=str(said.get("api_version") or about.get("api_version") or ""),
        database_version=str(database.get("version") or program.get("version") or ""),
        licences=tuple(str(licence) for licence in licences),
        licence_page=link_of(said.get("license")),
    )


def _info(transport: Transport, url: str, endpoint: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """``data`` and ``meta`` of an endpoint that describes the server."""
    results = client_of(transport, url, []).get_one(endpoint, "", url, paginate=False)[url]
    raise_failure(transport, url, results.errors)
    if not isinstance(results.data, dict):
        raise SourceError(f"{url} is no OPTIMADE server: expected an object at /v1/{endpoint}.")
    return results.data, results.meta
