"""Records to an MQTT broker: what JSON Lines would hold, a message for each frame."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from typing import Any
from urllib.parse import unquote, urlsplit

from pipeline.errors import SinkError
from pipeline.records import encode_record
from pipeline.types import Picture

CONNECT_S, FLUSH_S = 5.0, 2.0
WAITING = 64  # records that wait for a broker that is away or slow


class MqttSink:
    """Publishes the record of each frame under TOPIC, at least once (QoS 1).

    TOPIC/status holds `online` while the run goes on, and `offline` after it, however it ended (retained; the broker
    says so itself where the run was killed). A broker that goes away is connected to again; the run never waits for
    it: WAITING records are kept meanwhile, those beyond are dropped, and a note counts them.

    Args:
        address: mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC, or mqtts:// for TLS.
        timing: whether measured times are put in.

    Raises:
        SinkError: no such address, nothing answers there, or it refuses; the password is in no message.
    """

    def __init__(self, address: str, timing: bool = True) -> None:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise SinkError("MQTT needs paho-mqtt", hint="pip install 'dashmask[mqtt]'") from error
        self.notes: list[str] = []
        self._timing, self._dropped, self._reason = timing, 0, ""
        self._away, self._closing = False, False
        self._news: deque[str] = deque(maxlen=100)
        self._last: int | None = None  # the newest message's number
        self._arrived: deque[int] = deque(maxlen=4 * WAITING)  # numbers, as the broker confirms them
        self._confirmed = threading.Event()  # one more of them
        self._answered = threading.Event()
        place = _place(address)
        self._topic = place["topic"]
        self._name = f"mqtt://{place['host']}:{place['port']}/{self._topic}"
        client = self._client = Client(CallbackAPIVersion.VERSION2)
        client.connect_timeout = CONNECT_S
        client.max_queued_messages_set(WAITING)
        client.reconnect_delay_set(1, 10)
        client.will_set(f"{self._topic}/status", "offline", qos=1, retain=True)
        client.on_connect = self._connected
        client.on_publish = self._published
        client.on_disconnect = self._disconnected
        if place["user"] is not None:
            client.username_pw_set(place["user"], place["password"])
        if place["tls"]:
            client.tls_set()
        try:
            client.connect(place["host"], place["port"], keepalive=15)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it does not answer"
            raise SinkError(f"{self._name} cannot be reached: {why}", hint="check host and port") from None
        client.loop_start()
        if not self._answered.wait(CONNECT_S) or self._reason:
            client.loop_stop()
            why = f"refuses: {self._reason}" if self._reason else f"does not answer within {CONNECT_S:g} s"
            raise SinkError(f"{self._name} {why}", hint="check user and password")

    def write(self, picture: Picture) -> None:
        """Hand one record over; never waits."""
        record = encode_record(picture.scene, self._timing).rstrip(b"\n")
        ticket = self._client.publish(self._topic, record, qos=1)
        if ticket.rc == _QUEUE_FULL:
            self._dropped += 1
        else:
            self._last = ticket.mid

    def news(self) -> list[str]:
        """What happened since the last call that a user should know at once; from any one thread."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def close(self, whole: bool) -> None:
        """Send what still waits, for FLUSH_S at most, and leave."""
        until_s = time.monotonic() + FLUSH_S
        farewell = self._client.publish(f"{self._topic}/status", "offline", qos=1, retain=True)
        for number in (self._last, None if farewell.rc == _QUEUE_FULL else farewell.mid):
            while not self._has_arrived(number) and self._client.is_connected() and time.monotonic() < until_s:
                self._confirmed.wait(0.05)
                self._confirmed.clear()
        self._closing = True
        self._client.disconnect()
        self._client.loop_stop()
        if self._dropped:
            self.notes.append(f"{self._name}: {self._dropped} records were dropped, the broker was away or too slow")
        if not self._has_arrived(self._last):
            self.notes.append(f"{self._name}: the last records did not arrive")

    def _has_arrived(self, number: int | None) -> bool:
        return number is None or number in self._arrived

    def _published(self, client: Any, data: object, number: int, reason: object, properties: object) -> None:
        """In paho's thread, for each message that the broker confirms."""
        self._arrived.append(number)
        self._confirmed.set()

    def _connected(self, client: Any, data: object, flags: object, reason: Any, properties: object) -> None:
        """In paho's thread, at each connection."""
        if reason.is_failure:
            self._reason = str(reason)
        else:
            client.publish(f"{self._topic}/status", "online", qos=1, retain=True)
            if self._away:
                self._away = False
                self._tell(f"{self._name} is there again; records that were dropped so far: {self._dropped}")
        self._answered.set()

    def _disconnected(self, client: Any, data: object, flags: object, reason: Any, properties: object) -> None:
        """In paho's thread, where a connection ends."""
        if not self._away and not self._closing:
            self._away = True
            self._tell(f"{self._name} is away ({reason}): {WAITING} records wait for it, others are dropped")

    def _tell(self, what: str) -> None:
        self._news.append(what)


_QUEUE_FULL = 15  # paho.mqtt.enums.MQTTErrorCode.MQTT_ERR_QUEUE_SIZE


def _place(address: str) -> dict[str, Any]:
    """The parts of an address."""
    hint = "for instance mqtt://broker.local:1883/car/front"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise SinkError("the address of the MQTT broker cannot be read", hint=hint) from None
    topic = unquote(parts.path.strip("/"))
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or not topic:
        raise SinkError("an MQTT output needs mqtt://HOST/TOPIC", hint=hint)
    if re.search(r"[#+\0]", topic):
        raise SinkError(f"the MQTT topic {topic!r} holds a wildcard, which nothing can be published under", hint=hint)
    tls = parts.scheme == "mqtts"
    return {
        "host": parts.hostname,
        "port": port or (8883 if tls else 1883),
        "topic": topic,
        "user": None if parts.username is None else unquote(parts.username),
        "password": None if parts.password is None else unquote(parts.password),
        "tls": tls,
    }
