"""The client's IP address behind trusted proxies, and whether it is in an allowed network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network


def resolve_client_address(
    peer: str, forwarded: Iterable[str], proxies: Sequence[IpNetwork]
) -> IpAddress | None:
    """Return the address a request comes from; None if it cannot be determined.

    ``forwarded``: the values of X-Forwarded-For, in order. They are trusted from right to left, as long as the writer
    of an entry is a trusted proxy: entries that a stranger puts in front are never reached.
    """
    at = parse_address(peer)
    if not proxies:
        return at
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    while at is not None and hops and is_in_networks(at, proxies):
        at = parse_address(hops.pop())
    return at


def is_in_networks(at: IpAddress, networks: Iterable[IpNetwork]) -> bool:
    """Say whether an address is in one of the networks."""
    return any(at in network for network in networks)


def parse_address(text: str) -> IpAddress | None:
    """Parse an IP address, None if it is none; an IPv4 address from an IPv6 socket becomes IPv4."""
    try:
        at = ip_address(text)
    except ValueError:
        return None
    return at.ipv4_mapped or at if isinstance(at, IPv6Address) else at
