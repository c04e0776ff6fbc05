"""Put the stages of a run together: source, preprocess, infer, postprocess, render and a thread for each sink."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from engines.backends.base import Backend, takes_frames
from engines.backends.restart import rescue
from pipeline.config import Config
from pipeline.flow import Flow, Stage
from pipeline.live.supervised import Supervised
from pipeline.networks import Network
from pipeline.preprocess import Preprocessor
from pipeline.running.capture import capture
from pipeline.running.inferring import Infer
from pipeline.running.lanes import Lane, Opener, by_source, sink_stages
from pipeline.running.messages import Messages, frame_of, leases, looked_at
from pipeline.timing import timed
from pipeline.track.keys import Keys
from pipeline.track.over_time import OverTime, wanted
from pipeline.types import Decoded, Frame, Gap, Inferred, Instances, Labels, Picture, Scene, Sink, Source

# What masks are made of is computed where boxes are known, a third of the work before them in the worst case.
_INFER_TO_POSTPROCESS = 3
JOIN_S = 5.0  # how long threads may take to stop, besides a read that has a deadline of its own


def build(
    config: Config,
    source: Source,
    nets: Sequence[Network],
    *,
    dropped: Callable[[], Mapping[str, int]],
    render: Callable[[Scene], Picture] | None = None,
    sinks: Sequence[tuple[str, Callable[[], Sink]]] = (),
    in_flight: int | None = None,
) -> Flow[Picture]:
    """The flow of one source through the networks to pictures and sinks; see build_lanes.

    Args:
        config: of the run.
        source: not yet open.
        nets: at least one; all see every frame.
        dropped: frames lost so far, by cause; asked once a frame.
        render: draws a scene, in a thread of its own; None: pictures stay empty.
        sinks: name and opener of each; each has a thread and is opened at its first picture.
        in_flight: most frames under way behind the source; None: as build_lanes has it.
    """
    lane = Lane(source, render, sinks)
    return build_lanes(config, [lane], nets, dropped=lambda number: dropped(), in_flight=in_flight)


def build_lanes(
    config: Config,
    lanes: Sequence[Lane],
    nets: Sequence[Network],
    *,
    dropped: Callable[[int], Mapping[str, int]],
    source_failed: Callable[[int, Exception], bool] = lambda number, error: False,
    in_flight: int | None = None,
) -> Flow[Picture]:
    """The flow of one or several sources through the same networks; each with its own drawing and outputs.

    Frames of several sources take turns, and share a batch where a backend gains by that. What a backend takes over
    (`backend.way`) is left out: where all of them take frames there is no stage before and behind them.

    Args:
        config: of the run.
        lanes: at least one; frames of number k say so in `source`.
        nets: at least one; all see every frame.
        dropped: frames of a source lost so far, by cause; asked once a frame.
        source_failed: see Flow.
        in_flight: most frames under way behind the sources; None: one more than are worked on at once.
    """
    backends = [net.selection.backend for net in nets]
    workers = min(backend.workers for backend in backends)
    slots = min(backend.slots for backend in backends)
    batch = min(backend.max_batch for backend in backends)
    together = min(batch, len(lanes))  # frames of so many sources share a batch
    whole = all(takes_frames(backend) for backend in backends)
    renders = [lane.render for lane in lanes if lane.render is not None]
    gaps = [_Gaps(lane.source) for lane in lanes]
    told = [gap.ask if whole else gap.found for gap in gaps]  # where all is one stage, it has one worker
    scene = by_source([_scenes(nets, number, before, dropped) for number, before in enumerate(told)])
    track = OverTime(config.track, lambda: nets[-1].decoder.conf) if wanted(config.track) else None
    finish = scene if renders or track else _bare(scene)
    infer = Stage(
        "infer",
        _opened(lambda: timed("infer", Infer(backends, finish if whole else None), frame_of, looked_at)),
        workers=workers,
        batch=batch if len(lanes) == 1 else together,
        capacity=config.flow.capacity,
        linger_s=config.flow.batch_wait_ms / 1e3 if together > 1 else 0.0,
        rescue=lambda: rescue(backends),
    )
    if whole:
        stages = [infer]
    else:
        each = zip(_preprocessors(nets, len(lanes)), gaps, strict=True)
        prepares = [_prepare(backends, preprocessors, gap) for preprocessors, gap in each]
        prepare = _stage("preprocess", _each(by_source(prepares)), capacity=max(2, together), of=looked_at)
        decoding = postprocess_workers(workers)
        stages = [prepare, infer, _stage("postprocess", _each(finish), workers=decoding, of=looked_at)]
    if config.track.carry:
        keys = Keys(config.track)
        stages.insert(0, _stage("follow", _each(keys)))
    if track is not None:
        stages.append(_stage("track", _each(track if renders else _bare(track))))
    if renders:
        stages.append(Stage("render", _opened(lambda: timed("render", _drawing(renders), frame_of))))
    stages += [Stage(name, opener, capacity=config.flow.capacity) for name, opener in sink_stages(lanes)]
    readers = [partial(capture, lane.source, config, number) for number, lane in enumerate(lanes)]
    lives = [lane.source.live for lane in lanes]
    flow: Flow[Picture] = Flow(
        readers if len(lanes) > 1 else readers[0],
        stages,
        live=lives if len(lanes) > 1 else lives[0],
        in_flight=in_flight or workers * slots * together * (1 + config.track.carry) + 1,
        leases=leases,
        stall_s=config.flow.stall_s or None,
        join_timeout_s=JOIN_S + (config.source.open_timeout_s + config.source.read_timeout_s if any(lives) else 0),
        capacity=config.flow.capacity,
        source_of=lambda message: frame_of(message).source,
        source_failed=source_failed,
    )
    for lane in lanes:
        if isinstance(lane.source, Supervised):
            lane.source.stopping = flow.stopping
    return flow


def postprocess_workers(infer_workers: int) -> int:
    """How many threads decode what so many threads of the network find."""
    return -(-infer_workers // _INFER_TO_POSTPROCESS)


def _preprocessors(nets: Sequence[Network], lanes: int) -> Iterator[Sequence[Preprocessor]]:
    """For each lane one for each network: they keep what fits the size of the frames before."""
    yield [net.preprocessor for net in nets]
    for _ in range(1, lanes):
        yield [net.preprocessor.another() for net in nets]


class _Gaps:
    """The times in which a source was away, each told with the first frame behind it.

    The source is asked where its frames come in their order: behind several workers another one may be first.
    """

    def __init__(self, source: Source) -> None:
        self._before = source.gaps_before if isinstance(source, Supervised) else lambda index: ()
        self._found: dict[int, tuple[Gap, ...]] = {}  # index of a frame -> those before it

    def ask(self, frame: Frame) -> tuple[Gap, ...]:
        """Those before a frame; for one thread, in the order of the frames."""
        return self._before(frame.index)

    def find(self, frame: Frame) -> None:
        """Ask and keep the answer; as `ask`."""
        if gaps := self.ask(frame):
            self._found[frame.index] = gaps

    def found(self, frame: Frame) -> tuple[Gap, ...]:
        """What was kept, once; from any thread."""
        return self._found.pop(frame.index, ())


def _prepare(
    backends: Sequence[Backend], preprocessors: Sequence[Preprocessor], gaps: _Gaps
) -> Callable[[Frame], Messages]:
    """Makes a frame into what each network takes: a tensor, or the frame as it is, also where no network looks."""
    whole = [takes_frames(backend) for backend in backends]

    def prepare(frame: Frame) -> Messages:
        gaps.find(frame)
        return tuple(
            frame if taken or not looked_at(frame) else preprocessor.prepare(frame)
            for taken, preprocessor in zip(whole, preprocessors, strict=True)
        )

    return prepare


def _scenes(
    nets: Sequence[Network],
    number: int,
    gaps: Callable[[Frame], tuple[Gap, ...]],
    dropped: Callable[[int], Mapping[str, int]],
) -> Callable[[Messages], Scene]:
    """From what the networks said of a frame of source `number` to its scene."""

    def scene(message: Messages) -> Scene:
        instances: Instances | None = None
        labels: Labels | None = None
        frame, first = frame_of(message), message[0]
        for said, net in zip(message, nets, strict=True) if looked_at(frame) else ():
            found = said.found if isinstance(said, Decoded) else net.decoder.decode(said)
            if isinstance(found, Instances):
                instances = found
            else:
                labels = found
        rung = first.prepared.rung if isinstance(first, Inferred) else ""
        return Scene(frame, instances, labels, dropped(number), gaps(frame), rung)

    return scene


def _bare(scene: Callable[[Any], Scene]) -> Callable[[Any], Picture]:
    """A scene that nobody draws."""
    return lambda message: Picture(scene(message), None)


def _opened(make: Callable[[], Any]) -> Opener:
    @contextmanager
    def opened() -> Iterator[Any]:
        yield make()

    return opened


def _drawing(renders: Sequence[Callable[[Scene], Picture]]) -> Callable[[list[Any]], list[Any]]:
    """Called in the thread that will draw, while the first frame is still on its way."""
    from pipeline.render.text import unpack_font

    unpack_font()
    return _each(by_source(renders))


def _each(function: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    return lambda batch: [function(item) for item in batch]


def _stage(
    name: str,
    step: Callable[[list[Any]], list[Any]],
    capacity: int = 2,
    workers: int = 1,
    of: Callable[[Frame], bool] | None = None,
) -> Stage:
    return Stage(name, _opened(lambda: timed(name, step, frame_of, of)), workers=workers, capacity=capacity)
