"""What was asked for and does nothing in this run: said, rather than ignored in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.config import Config, DecodeConfig, RenderConfig
from pipeline.types import Card


def idle_notes(config: Config, cards: Sequence[Card]) -> Iterator[str]:
    """A sentence for each setting that these networks, or the rest of the configuration, leave without effect."""
    objects = any(card.family != "semantic" for card in cards)
    labels = any(card.family == "semantic" for card in cards)
    track, out = config.track, config.output
    none_finds = "no network here finds objects one by one"
    if track.objects and not objects:
        yield f"nothing is tracked: {none_finds}"
    if config.render.colour_by == "track" and not (track.objects and objects):
        yield "objects are not coloured by track: " + (none_finds if track.objects else "add --track")
    usual, decode = DecodeConfig(), config.decode
    keys = [key for key in ("conf", "iou", "max_det", "agnostic") if getattr(decode, key) != getattr(usual, key)]
    if keys and not objects:
        chooses = "chooses" if len(keys) == 1 else "choose"
        yield f"{' and '.join(f'decode.{key}' for key in keys)} {chooses} among objects: {none_finds}"
    if track.smooth_masks and not (track.objects and objects):
        yield "no masks are smoothed: " + (none_finds if track.objects else "add --track")
    if config.input.square and all(None not in card.input.size_hw for card in cards):
        yield "input.square does nothing: the size of the input is fixed in the model"
    if track.smooth and not labels:
        yield "no labels are smoothed: no network here gives label maps"
    if config.web.recordings is not None and config.web.address is None:
        yield "there are no recordings without a page: add --web"
    drawn = out.save or out.pictures or out.stream or out.show or config.web.address or config.evidence.folder
    if (config.render.blur or config.render.cutout) and not drawn:
        yield "nothing is blurred or cut out: no picture is drawn; add --save, --pictures or --show"
    if config.render.ground != RenderConfig().ground and not config.render.cutout:
        yield "the ground is behind a cut-out, and there is none: add --cutout NAME,..."
    if out.mask_ids != "class" and out.masks is None:
        yield "output.mask_ids numbers no masks: add --masks DIR"
