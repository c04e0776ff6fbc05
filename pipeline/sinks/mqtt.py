"""Records to an MQTT broker: a message for each line that JSON Lines would hold."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from contextlib import suppress
from socket import SHUT_RDWR
from ssl import SSLError
from typing import Any

from pipeline.errors import SinkError
from pipeline.records import encode_gap, encode_record
from pipeline.sinks.broker import Broker
from pipeline.types import Picture

CONNECT_S, FLUSH_S = 5.0, 2.0
WAITING = 64  # records that wait for a broker that is away or slow
_UNKNOWN = ("Bad user name or password", "Not authorized", "Banned", "Client identifier not valid")


class MqttSink:
    """Publishes the record of each frame, and each gap before it, under the topic, at least once (QoS 1).

    TOPIC/status holds `online` while the run goes on, and `offline` after it, however it ended (retained; the broker
    says so itself where the run was killed). A broker that goes away is connected to again; the run never waits for
    it: WAITING records are kept meanwhile, those beyond are dropped, and a note counts them. One that is away when a
    live source begins is waited for in the same way; a recording, which is over some time, does not begin without.

    Args:
        broker: its address and the topic.
        timing: whether measured times are put in.
        live: whether the frames come from a live source.

    Raises:
        SinkError: nothing answers there, or it refuses; the password is in no message.
    """

    def __init__(self, broker: Broker, timing: bool = True, live: bool = False) -> None:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise SinkError("MQTT needs paho-mqtt", hint="pip install 'dashmask[mqtt]'") from error
        self.notes: list[str] = []
        self._name, self._topic, self._status = broker.name, broker.topic, f"{broker.topic}/status"
        self._timing, self._dropped, self._refused = timing, 0, ""
        self._known, self._away, self._closing = False, False, False  # known: it has taken us once
        self._news: deque[str] = deque(maxlen=100)
        self._last: int | None = None  # the newest message's number
        self._arrived: deque[int] = deque(maxlen=4 * WAITING)  # numbers, as the broker confirms them
        self._confirmed = threading.Event()  # one more of them
        self._answered, self._left = threading.Event(), threading.Event()
        client = self._client = Client(CallbackAPIVersion.VERSION2)
        client.connect_timeout = CONNECT_S
        client.max_queued_messages_set(WAITING)
        client.reconnect_delay_set(1, 10)
        client.will_set(self._status, "offline", qos=1, retain=True)
        client.on_connect, client.on_connect_fail = self._connected, self._unreachable
        client.on_publish, client.on_disconnect = self._published, self._disconnected
        if broker.user is not None:
            client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            client.tls_set()
        if live:
            client.connect_async(broker.host, broker.port, keepalive=15)
            client.loop_start()
        else:
            self._connect(broker)

    def _connect(self, broker: Broker) -> None:
        """Wait for the broker to take us. SinkError: it does not."""
        try:
            self._client.connect(broker.host, broker.port, keepalive=15)
        except (OSError, ValueError) as error:
            hint = "check host and port"
            if isinstance(error, SSLError):
                hint = "for a broker with a CA of its own: SSL_CERT_FILE=ca.pem dashmask ..."
            raise SinkError(f"{self._name} cannot be reached: {_why(error)}", hint) from None
        self._client.loop_start()
        self._answered.wait(CONNECT_S)
        if not self._known:
            self._client.loop_stop()
            if self._refused:
                raise SinkError(f"{self._name} refuses: {self._refused}", hint="check user and password")
            raise SinkError(
                f"{self._name} does not answer within {CONNECT_S:g} s", hint="is this an MQTT broker's port?"
            )

    def write(self, picture: Picture) -> None:
        """Hand the record over; never waits.

        Raises:
            SinkError: the broker has never known us by this name or password, and never will.
        """
        if not self._known and self._refused in _UNKNOWN:
            raise SinkError(f"{self._name} refuses: {self._refused}", hint="check user and password")
        for line in (*map(encode_gap, picture.scene.gaps), encode_record(picture.scene, self._timing)):
            ticket = self._client.publish(self._topic, line.rstrip(b"\n"), qos=1)
            if ticket.rc == _QUEUE_FULL:
                self._dropped += 1
            else:
                self._last = ticket.mid

    def news(self) -> list[str]:
        """What happened since the last call that a user should know at once; from any one thread."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def close(self, whole: bool) -> None:
        """Send what still waits, for FLUSH_S at most, and leave, which takes as long again at most."""
        until_s = time.monotonic() + FLUSH_S
        while not self._all_arrived() and self._client.is_connected() and time.monotonic() < until_s:
            self._confirmed.wait(0.05)
            self._confirmed.clear()
        self._closing = True
        self._say("offline")
        self._left.clear()
        self._client.disconnect()
        link: Any = self._client.socket()
        if link is not None and not self._left.wait(FLUSH_S / 2):
            with suppress(OSError):
                link.shutdown(SHUT_RDWR)  # it takes no farewell: once it sees this, it says `offline` itself
        # It joins paho's thread, which may be connecting.
        leaving = threading.Thread(target=self._client.loop_stop, daemon=True)
        leaving.start()
        leaving.join(FLUSH_S / 2)
        if self._dropped:
            self.notes.append(f"{self._name}: {self._dropped} records were dropped, the broker was away or too slow")
        if not self._all_arrived():
            self.notes.append(f"{self._name}: the last records did not arrive")

    def _all_arrived(self) -> bool:
        return self._last is None or self._last in self._arrived

    def _say(self, status: str) -> None:
        # QoS 0, which waits in no line: records that wait may fill it. In order on its connection, all the same.
        self._client.publish(self._status, status, qos=0, retain=True)

    # What follows runs in paho's thread.

    def _published(self, client: Any, data: object, number: int, reason: object, properties: object) -> None:
        """For each message that the broker confirms."""
        self._arrived.append(number)
        self._confirmed.set()

    def _connected(self, client: Any, data: object, flags: object, reason: Any, properties: object) -> None:
        """At each connection."""
        self._refused = str(reason) if reason.is_failure else ""
        if self._closing:
            client.disconnect()
        elif self._refused:
            self._gone(f"refuses: {self._refused}")
        else:
            self._known = True
            self._say("online")
            if self._away:
                self._away = False
                self._news.append(f"{self._name} takes records; those that were dropped so far: {self._dropped}")
        self._answered.set()

    def _unreachable(self, client: Any, data: object) -> None:
        """Where there is no connection to be had."""
        self._gone(f"cannot be reached: {_why(sys.exc_info()[1])}")

    def _disconnected(self, client: Any, data: object, flags: object, reason: Any, properties: object) -> None:
        """Where a connection ends."""
        self._left.set()
        self._gone(f"is away ({reason})")

    def _gone(self, why: str) -> None:
        if not self._away and not self._closing:
            self._away = True
            self._news.append(f"{self._name} {why}; it is tried again and again, {WAITING} records wait for it")


_QUEUE_FULL = 15  # paho.mqtt.enums.MQTTErrorCode.MQTT_ERR_QUEUE_SIZE


def _why(error: BaseException | None) -> str:
    return getattr(error, "strerror", None) or "it does not answer"
