"""The stages put together: any backend behind the contract, every buffer given back, order kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engines.backends.base import Options, Ticket
from engines.backends.null import NullBackend
from engines.select import Selection, select
from pipeline.config import Config, DecodeConfig, OutputConfig
from pipeline.errors import ConfigError
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.networks import Network, networks
from pipeline.preprocess import Preprocessor, TensorBuffer
from pipeline.running.assemble import build
from pipeline.running.capture import open_configured
from pipeline.running.inferring import Infer
from pipeline.running.messages import frame_of
from pipeline.types import Frame, Inferred, Picture, Prepared, Scene

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")


class Later:
    """A backend that works elsewhere, as a GPU does: `submit` returns at once, three tickets may be open."""

    slots, max_batch, workers = 3, 4, 1

    def __init__(self, backend: Any) -> None:
        self._backend, self._elsewhere = backend, ThreadPoolExecutor(2)
        self.batches: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        self.batches.append(len(batch))
        return self._elsewhere.submit(lambda: self._backend.submit(batch).result())  # a Future is a Ticket

    def close(self) -> None:
        self._elsewhere.shutdown()


def with_backend(net: Network, backend: Any) -> Network:
    return replace(net, selection=replace(net.selection, backend=backend))


def scenes(nets: Sequence[Network], config: Config, spec: str) -> list[Scene]:
    flow = build(config, open_configured(spec, config), nets, dropped=dict)
    with flow:
        return [picture.scene for picture in flow]


def configured(models: Sequence[Path]) -> Config:
    return Config(model=tuple(map(str, models)), output=OutputConfig())


def same(left: Scene, right: Scene) -> bool:
    assert left.instances is not None
    assert right.instances is not None
    assert left.labels is not None
    assert right.labels is not None
    return (
        left.frame.index == right.frame.index
        and np.array_equal(left.instances.boxes_xyxy, right.instances.boxes_xyxy)
        and np.array_equal(left.instances.arena, right.instances.arena)
        and np.array_equal(left.labels.map, right.labels.map)
    )


def test_a_backend_with_slots_gives_the_same_scenes_in_the_same_order(models: tuple[Path, Path], clip: Path) -> None:
    config = configured(models)
    nets = networks(config)
    plain = scenes(nets, config, str(clip))
    later = [with_backend(net, Later(net.selection.backend)) for net in nets]
    slotted = scenes(later, config, str(clip))
    for net in later:
        net.selection.backend.close()
    assert len(plain) == len(slotted) == 25
    assert all(same(a, b) for a, b in zip(plain, slotted, strict=True))


def test_a_released_buffer_is_read_by_nobody(models: tuple[Path, Path], clip: Path) -> None:
    config = configured(models)
    nets = networks(config)
    plain = scenes(nets, config, str(clip))
    pools: list[Pool[TensorBuffer]] = []

    def poisoned(make: Any) -> Any:
        pools.append(Pool(make, poison=TensorBuffer.poison))
        return pools[-1]

    spoiling = [replace(net, preprocessor=Preprocessor(net.card.input, poisoned)) for net in nets]
    spoiled = scenes(spoiling, config, str(clip))
    assert all(same(a, b) for a, b in zip(plain, spoiled, strict=True))
    assert pools
    for pool in pools:
        assert len(pool._free) == pool.made  # every buffer came back
        assert pool.made <= 10  # and there are only as many as are under way at once


def test_an_error_of_a_backend_names_stage_and_frame(models: tuple[Path, Path], clip: Path) -> None:
    config = configured(models)

    class Broken(Later):
        def submit(self, batch: Sequence[Prepared]) -> Ticket:
            if any(prepared.frame.index == 3 for prepared in batch):
                raise RuntimeError("the device is gone")
            return super().submit(batch)

    nets = [with_backend(net, Broken(net.selection.backend)) for net in networks(config)]
    with pytest.raises(RuntimeError, match="the device is gone") as caught:
        scenes(nets, config, str(clip))
    assert any("infer" in note for note in caught.value.__notes__)
    for net in nets:
        net.selection.backend.close()


def test_every_slot_of_a_gpu_is_busy_while_frames_wait(models: tuple[Path, Path], clip: Path) -> None:
    config = configured(models[1:])
    (net,) = networks(config)

    class OnlyTogether(Later):
        """Counts how many are under way."""

        max_batch, most = 1, 0

        def submit(self, batch: Sequence[Prepared]) -> Ticket:
            waiting.append(batch[0].frame.index)
            self.most = max(self.most, len(waiting))
            return Answer(self._backend, batch)

    class Answer:
        def __init__(self, backend: Any, batch: Sequence[Prepared]) -> None:
            self._backend, self._batch = backend, batch

        def result(self) -> list[Inferred]:
            time.sleep(0.01)  # longer than decoding takes: frames wait
            waiting.remove(self._batch[0].frame.index)
            inferred: list[Inferred] = self._backend.submit(self._batch).result()
            return inferred

    waiting: list[int] = []
    backend = OnlyTogether(net.selection.backend)
    got = scenes([with_backend(net, backend)], config, str(clip))
    backend.close()
    assert [scene.frame.index for scene in got] == list(range(25))
    assert backend.most == 3


def test_where_no_frame_waits_the_oldest_slot_alone_is_waited_for(models: tuple[Path, Path]) -> None:
    (net,) = networks(configured(models[1:]))
    image = Image((np.zeros((64, 64, 3), np.uint8),), "bgr24")
    frames = [Frame(index, index, Fraction(1, 25), 0.0, image) for index in range(3)]
    step = Infer([Later(net.selection.backend)], None)
    made = [[(net.preprocessor.prepare(frame),)] for frame in frames]
    assert list(step(made[0])) == list(step(made[1])) == []
    assert [row[0].prepared.frame.index for row in step.drain()] == [0]
    assert list(step(made[2])) == []  # a slot is free for what came meanwhile
    assert [row[0].prepared.frame.index for row in step.drain()] == [1]
    assert [row[0].prepared.frame.index for row in step.drain()] == [2]
    assert list(step.drain()) == []


def test_frames_that_no_network_looks_at_pass_in_their_place(models: tuple[Path, Path]) -> None:
    (net,) = networks(configured(models[1:]))
    image = Image((np.zeros((64, 64, 3), np.uint8),), "bgr24")
    step = Infer([Later(net.selection.backend)], None)

    def messages(*carried: int) -> list[Any]:
        frames = [Frame(next(count), 0, Fraction(1, 25), 0.0, image, carried=one) for one in carried]
        return [(frame,) if frame.carried else (net.preprocessor.prepare(frame),) for frame in frames]

    count = iter(range(100))
    assert [frame_of(row).index for row in step(messages(1))] == [0]  # nothing is before it
    assert list(step(messages(0, 1, 2))) == []
    assert list(step(messages(0, 1))) == []  # two tickets of three
    assert [frame_of(row).index for row in step(messages(0, 0))] == [1, 2, 3]  # both of them are one ticket
    assert [frame_of(row).index for row in step.drain()] == [4, 5]
    assert [frame_of(row).index for row in step.drain()] == [6, 7]
    assert list(step.drain()) == []


def test_a_network_that_is_open_is_closed_where_the_next_one_cannot_be(
    models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    def watched(*args: Any, **told: Any) -> Selection:
        selection = select(*args, **told)
        monkeypatch.setattr(selection.backend, "close", lambda: events.append("closed"))
        events.append("opened")
        return selection

    monkeypatch.setattr("pipeline.networks.select", watched)
    config = msgspec.structs.replace(configured(models), decode=DecodeConfig(classes=("unicorn",)))
    with pytest.raises(ConfigError, match="unicorn"):
        networks(config)
    assert events == ["opened", "closed"]


def test_the_null_backend_runs_every_stage(models: tuple[Path, Path], clip: Path) -> None:
    config = configured(models)
    nets = networks(config)
    nulls = [with_backend(net, NullBackend(net.card, Options())) for net in nets]
    got = scenes(nulls, config, str(clip))
    assert [scene.frame.index for scene in got] == list(range(25))


def test_a_live_source_keeps_the_newest_and_counts_every_drop(models: tuple[Path, Path]) -> None:
    config = configured(models[1:])
    (net,) = networks(config)

    class Slow(Later):
        def submit(self, batch: Sequence[Prepared]) -> Ticket:
            time.sleep(0.1)
            done: Future[list[Inferred]] = Future()
            done.set_result(self._backend.submit(batch).result())
            return done

    slow = with_backend(net, Slow(net.selection.backend))
    source = open_configured("lavfi:testsrc=size=160x120:rate=50", config)
    flow = build(config, source, [slow], dropped=lambda: flow.drops)
    ages, indices = [], []
    picture: Picture
    with flow:
        for picture in flow:
            ages.append(time.monotonic() - picture.scene.frame.captured_s)
            indices.append(picture.scene.frame.index)
            if len(indices) == 12:
                flow.end()
    missing = indices[-1] + 1 - len(indices)
    assert indices == sorted(set(indices))
    assert 0 < missing <= flow.drops["newest"]
    assert max(ages) < 2.0  # about four tenths; a queue that grows would be at its length by now
