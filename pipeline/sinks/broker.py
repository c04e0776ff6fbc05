"""The address of an MQTT broker and a topic there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from pipeline.errors import SinkError

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_EXAMPLE = "for instance mqtt://broker.local:1883/car/front"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where records go."""

    name: str  # for people: nothing secret
    host: str
    port: int
    topic: str
    user: str | None
    password: str | None = field(repr=False)
    tls: bool


def parse_broker(address: str) -> Broker:
    """What an address means: mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC, or mqtts:// for TLS.

    Raises:
        SinkError: it is none; the password is in no message.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise SinkError("the address of the MQTT broker cannot be read", hint=_EXAMPLE) from None
    topic = unquote(parts.path.strip("/"))
    if parts.scheme not in _PORTS or not host or not topic:
        raise SinkError("an MQTT output needs mqtt://HOST/TOPIC", hint=_EXAMPLE)
    if parts.query or re.search(r"[#+\0]", topic) or "#" in address:
        raise SinkError(f"{parts.scheme}://{host}: nothing can be published under a topic with #, + or ?", _EXAMPLE)
    port = port or _PORTS[parts.scheme]
    name = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}/{topic}"
    user, password = (None if one is None else unquote(one) for one in (parts.username, parts.password))
    return Broker(name, host, port, topic, user, password, parts.scheme == "mqtts")
