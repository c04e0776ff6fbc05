"""Where a server listens, and who may ask there."""

from __future__ import annotations

import errno
import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass

from pipeline.errors import ConfigError

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8765
LEAST_TOKEN = 12  # characters
_ADDRESS = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[\w.-]*)):(?P<port>\d{1,5})"
    r"|\[(?P<v6_alone>[0-9A-Fa-f:.%\w]+)\]|(?P<host_alone>localhost|\d+(?:\.\d+){3})"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str  # a name or an IP address, IPv6 without brackets
    port: int  # 0: any that is free

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_local(self.host)

    def url(self, token: str | None = None) -> str:
        """What to type into a browser; an address that means every interface is shown as this machine's name."""
        host = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/" + (f"?token={token}" if token else "")


def is_local(host: str) -> bool:
    """Whether a host's name or address, IPv6 without brackets, always means this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def parse_address(text: str) -> Address:
    """`HOST:PORT`, `:PORT`, `[IPV6]:PORT`, an IP address (or localhost) alone, or nothing for the default.

    Raises:
        ConfigError: it is none of these.
    """
    if not text:
        return Address(DEFAULT_HOST, DEFAULT_PORT)
    found = _ADDRESS.fullmatch(text)
    port = DEFAULT_PORT if found is None or found["port"] is None else int(found["port"])
    if found is None or port > 65535:
        raise ConfigError(f"{text!r} is no HOST:PORT", hint="for instance 127.0.0.1:8765, :8765 or [::1]:8765")
    host = next((host for key in ("v6", "host", "v6_alone", "host_alone") if (host := found[key])), DEFAULT_HOST)
    return Address(host, port)


def token_for(address: Address, wanted: str | None) -> str | None:
    """The token that whoever asks must know: the one wanted; a new one where others can reach the address.

    Returns:
        None where only this machine can ask and no token is wanted.

    Raises:
        ConfigError: the one wanted is easily guessed, or is not plain ASCII.
    """
    if wanted is None:
        return None if address.local else secrets.token_urlsafe(18)
    if len(wanted) < LEAST_TOKEN or not re.fullmatch(r"[!-~]+", wanted):
        raise ConfigError(
            f"web.token needs at least {LEAST_TOKEN} plain characters without spaces",
            hint="python3 -c 'import secrets; print(secrets.token_urlsafe())' makes a good one",
        )
    return wanted


def listen(address: Address) -> tuple[socket.socket, Address]:
    """A socket that listens, and the address with the port that it got.

    Raises:
        ConfigError: the port is taken or not allowed, or the host is none of this machine's.
    """
    try:
        family, kind, number, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):
        raise ConfigError(f"{address.host} is no host that is known here", hint="try 127.0.0.1") from None
    listening = socket.socket(family, kind, number)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # What lies in the system's buffer is old when a slow viewer gets to it: a few pictures, not a hundred.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 * 1024)
        listening.bind(place)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise _refused(address, error) from None
    return listening, Address(address.host, listening.getsockname()[1])


def _refused(address: Address, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        hint = "stop what listens there, or choose another port; 0 takes any that is free"
        return ConfigError(f"port {address.port} of {address.host} is taken", hint=hint)
    if error.errno == errno.EACCES:
        return ConfigError(f"port {address.port} needs the rights of root", hint="choose one above 1023")
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigError(f"{address.host} is no address of this machine", hint="try 127.0.0.1 or 0.0.0.0")
    return ConfigError(f"nothing can listen at {address.host}:{address.port}: {error.strerror}")
