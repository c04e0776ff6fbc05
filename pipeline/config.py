"""The configuration: frozen, the same keys in YAML, in `--set a.b=c` and in Python."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]  # 0..1
Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
StreamPreset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"]
View = Literal["overlay", "side-by-side", "masks"]


class ReconnectConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a source that was lost is opened again.

    What may mend itself (nothing listens, nothing comes, the connection broke) is tried `attempts` times in a row
    without a frame. What refuses (a wrong password, nothing at that path, no such camera) ends the source at once
    where it never gave a frame, and after `refused_attempts` where it did: a camera that starts refuses for a while.
    """

    enabled: bool | None = None  # whether at all; None: cameras and network streams, no recordings
    attempts: Count | None = 10  # in a row without a frame, then it is given up; None: for ever
    refused_attempts: Count = 3  # in a row, where what worked before refuses: see `attempts`
    first_wait_s: Seconds = 0.5  # before the second attempt; twice as long before each further one
    longest_wait_s: Seconds = 10.0  # the waits grow no further
    jitter: Share = 0.3  # each wait is longer or shorter by up to this share, so that many do not come at once
    seed: int | None = None  # of the jitter; None: another one in every run


class SourceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which frames are taken."""

    start_s: Seconds = 0.0  # skip what comes before, seconds
    frames: Count | None = None  # stop after so many
    every: Count = 1  # take every k-th
    fps: Annotated[float, msgspec.Meta(gt=0)] | None = (
        None  # images a second, of image folders and recordings without times of their own
    )
    open_timeout_s: Seconds = 10.0  # for a camera or an address to answer
    read_timeout_s: Seconds = 5.0  # a camera or stream that gives no frame for so long is lost
    reconnect: ReconnectConfig = ReconnectConfig()


class BackendConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What runs the networks."""

    name: str = "auto"  # the first that can run, or one by its name: see `dashmask doctor`
    require: str | None = None  # a backend's name or `gpu`: anything else is an error
    workers: Count | None = None  # threads that run the network at once; None: by rule, or as tuned
    threads: Count | None = None  # threads inside one run of the network; None: by rule, or as tuned
    precision: Literal["auto", "f32", "bf16"] = "auto"  # bf16: openvino only; auto: where `dashmask verify` passed it
    way: Literal["auto", "tensors", "frames"] = "auto"  # frames: prepared and decoded on the GPU too
    unverified: bool = False  # use what `dashmask verify` has not passed, or has not seen


class InputConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The network's input, where its file leaves it free."""

    long_side: Count | None = None  # pixels; None: the model's own, 640 for YOLO
    square: bool = False  # long_side x long_side instead of the footage's shape


class DecodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From a network's outputs to objects; the defaults are Ultralytics' predict."""

    conf: Share = 0.25  # least score
    iou: Share = 0.7  # boxes of one class that overlap more are one object
    max_det: Count = 300  # most objects a frame
    agnostic: bool = False  # suppress across classes too
    classes: tuple[str, ...] = ()  # only these, by name; empty: all


class RenderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is drawn."""

    view: View = "overlay"  # colours over the picture, beside it, or alone
    alpha: Share = 0.5  # weight of a class colour over the picture, 0..1
    outlines: bool = True  # of masks
    boxes: bool = True  # of objects
    names: bool = True  # of objects, at their boxes
    scores: bool = True  # behind the names
    colour_by: Literal["class", "track"] = "class"  # of objects; track: each its own, where they are numbered
    legend: bool = True  # the colours of the classes, in a corner
    status: bool = True  # the line with fps, frame age and drops
    blur: tuple[str, ...] = ()  # classes made unrecognisable
    cutout: tuple[str, ...] = ()  # classes kept; everything else becomes the ground
    ground: str = "white"  # behind a cut-out: white, black, grey, green, blue, #rrggbb or transparent


class TrackConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one frame tells of the next."""

    carry: Annotated[int, msgspec.Meta(ge=0, le=100)] = (
        0  # frames in a row that the networks leave out; what they found is carried to them
    )
    objects: bool = False  # number objects over time (ByteTrack)
    low: Share = (
        0.1  # objects from this score on may keep a number; under decode.conf they are shown only where they do
    )
    keep_frames: Count = 30  # so long a lost object is looked for
    least_match: Share = 0.2  # least IoU times score of an object and where it was expected
    smooth: bool = False  # hold labels steady along optical flow
    smooth_masks: bool = False  # and the masks of numbered objects, which flicker less and fit less: see benchmarks
    confirm: Annotated[int, msgspec.Meta(ge=2, le=100)] = 2  # frames that must agree before a pixel changes
    flow_px: Annotated[int, msgspec.Meta(ge=64)] = 320  # long side of the pictures that the flow is computed on


class OutputConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is written."""

    save: str | None = None  # a video: .mp4, .m4v, .mov, .mkv, .webm or .avi
    json: str | None = None  # JSON Lines, one record a frame; -: the standard output
    masks: str | None = None  # a folder of PNG masks
    pictures: str | None = None  # a folder of PNG pictures
    summary: str | None = None  # JSON: counts, rates and percentiles of the run
    mqtt: str | None = None  # mqtt://HOST/TOPIC, one record a message
    stream: str | None = None  # rtsp://, rtmp://, udp:// or srt://: the picture as a live stream
    stream_kbps: Count | None = None  # of it at most; None: as many as the pictures need
    stream_preset: StreamPreset = "ultrafast"  # of its encoder, from the cheapest on
    stream_timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 5.0  # after which its receiver is tried anew
    trace: str | None = None  # JSON for Perfetto: each frame's way through the threads
    mask_ids: Literal["class", "trainId", "labelId"] = "class"  # the numbers in the masks
    timing: bool = True  # measured times in the records
    show: bool = False  # a window
    codec: str = "libx264"  # an encoder of FFmpeg, such as libx265 or libsvtav1
    crf: Annotated[int, msgspec.Meta(ge=0, le=51)] | None = None  # quality, less is better; None: as is cheapest
    preset: str | None = None  # of the encoder, in its own words; None: as is cheapest
    sound: bool = True  # of a recording: goes into the video as it is


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The page of a run."""

    address: str | None = None  # HOST:PORT; None: no page
    token: str | None = None  # who asks must know it; None: needed outside this machine only, and made there
    recordings: str | None = None  # a folder that the page may record into; None: it may not
    width: Annotated[int, msgspec.Meta(ge=64, le=7680)] = 854  # of the live picture at most, pixels
    fps: Annotated[float, msgspec.Meta(gt=0)] = 30.0  # live pictures a second, at most
    quality: Annotated[int, msgspec.Meta(ge=1, le=100)] = 80  # of the live picture's JPEG
    stalled_s: Annotated[float, msgspec.Meta(gt=0)] = 5.0  # a source without a frame for so long counts as stalled


class ApiConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one `POST /segment` may ask for."""

    max_mb: Annotated[float, msgspec.Meta(gt=0)] = 32.0  # of an upload, 10^6 bytes
    max_megapixels: Annotated[float, msgspec.Meta(gt=0)] = 25.0  # of a picture, 10^6
    max_frames: Count = 300  # of a clip
    timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 30.0  # to upload, and as long again to segment
    waiting: Annotated[int, msgspec.Meta(ge=0)] = 4  # requests that may wait for the one at work


class EvidenceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is kept when something happens."""

    folder: str | None = None  # a folder for each event goes in here; None: nothing is kept
    when: tuple[str, ...] = ()  # the conditions of --on; SIGUSR1 always is one
    before_s: Seconds = 5.0  # seconds kept from before it happened
    after_s: Seconds = 5.0  # and from behind it
    cooldown_s: Seconds = 10.0  # after the end of one event so long nothing begins another
    picture: Literal["drawn", "source"] = "drawn"  # in the video of an event
    limit_mb: Count = 1000  # of all events in the folder, 10^6 bytes: the oldest are removed
    memory_mb: Count = 64  # of the seconds before, encoded; where that is too little they become fewer


class BudgetConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How old a frame may be when it comes out, and what is given up for it."""

    ms: Annotated[float, msgspec.Meta(gt=0)] | None = None  # 95 of 100 frames shall be younger; None: no budget
    scales: Annotated[tuple[Annotated[float, msgspec.Meta(gt=0, le=1)], ...], msgspec.Meta(min_length=1)] = (
        1.0, 0.8, 0.65, 0.5,
    )  # of the input's long side  # fmt: skip
    backends: tuple[str, ...] = ()  # tried beside the one that is chosen, at every scale
    climb_after_s: Seconds = 5.0  # so long a better way must look possible before it is tried


class FlowConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the stages are coupled."""

    capacity: Count = 2  # messages that may wait before a stage
    batch_wait_ms: Annotated[float, msgspec.Meta(ge=0)] = 5.0  # for frames of other sources to share a batch
    stall_s: Seconds = 60.0  # a stage without progress for so long is an error that names it; 0: never


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything a run can be told."""

    model: tuple[str, ...] = ()  # paths of networks that run on the same frames
    source: SourceConfig = SourceConfig()
    backend: BackendConfig = BackendConfig()
    input: InputConfig = InputConfig()
    decode: DecodeConfig = DecodeConfig()
    track: TrackConfig = TrackConfig()
    render: RenderConfig = RenderConfig()
    output: OutputConfig = OutputConfig()
    evidence: EvidenceConfig = EvidenceConfig()
    flow: FlowConfig = FlowConfig()
    web: WebConfig = WebConfig()
    api: ApiConfig = ApiConfig()
    budget: BudgetConfig = BudgetConfig()
