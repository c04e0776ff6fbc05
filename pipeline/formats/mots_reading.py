"""KITTI MOTS' results by anybody: text files, one a sequence, or folders of PNGs of 16 bit, one a frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.datasets.kitti_mots import STEP
from pipeline.datasets.kitti_mots import THINGS as MOTS_THINGS
from pipeline.datasets.listing import files
from pipeline.datasets.mots_lines import MotsLine, apart, read_mots
from pipeline.datasets.objects import Marked, Mask, segments
from pipeline.errors import DataError
from pipeline.formats.base import Prediction
from pipeline.formats.reading import Asked, Benchmark, Reading, found, read_sized, wrong_size

_NOT_SCORED = 10  # a region, not an object
_KINDS = range(1, len(MOTS_THINGS) + 1)
_Frames = dict[int, list[MotsLine]]


class MotsReader(Reading):
    """Sequences by anybody: `0002.txt`, or `0002/000000.png` with numbers of class * 1000 + instance.

    Args:
        path: the folder of the files, or the text file of the only sequence.

    Raises:
        DataError: there is none.
    """

    things = MOTS_THINGS
    note = "every object has the score 1, so that AP says how well single frames are found; MOTS ranks by sMOTSA"

    def __init__(self, path: Path, benchmark: Benchmark) -> None:
        super().__init__()
        there = files(path, (".txt",), deep=True) if path.is_dir() else {path.stem: path}
        pngs = files(path, (".png",), deep=True) if path.is_dir() and not there else {}
        if not there and not pngs:
            raise DataError(
                f"{path} has no predictions",
                hint="a text file for each sequence, such as 0002.txt, or PNGs such as 0002/000000.png",
            )
        self._files = {Path(name).name: file for name, file in there.items()}
        self._lines = {name: self._sequence(file) for name, file in self._files.items()}
        self._pngs: dict[tuple[str, int], Path] = {}
        for name, file in pngs.items():
            if file.stem.isdecimal():
                self._pngs[file.parent.name, int(file.stem)] = file
            else:
                self._leave(f"{name}.png", "a frame's name is its number, such as 000000.png")
        self._rest = {(name, frame) for name, frames in self._lines.items() for frame in frames or ()}
        self._rest |= set(self._pngs)

    def find(self, asked: Asked) -> Prediction | None:
        """What a frame `sequence/000017` holds; without a line in its text file it has nothing found in it."""
        name = Path(asked.name)
        sequence, frame = name.parent.name, int(name.name)
        self._rest.discard((sequence, frame))
        if not self._files:
            path = self._pngs.get((sequence, frame))
            if path is None:
                return None
            marked = list(self._segments(path, asked.size_hw))
        else:
            frames = self._lines.get(sequence)
            if frames is None:
                return None
            lines = [line for line in frames.get(frame, ()) if line.kind in _KINDS]
            masks = self._whole(self._files[sequence].name, _masks, lines, f"frame {frame}", asked.size_hw) or []
            marked = [
                Marked(line.kind - 1, mask, crop, line.number)
                for line, (mask, crop) in zip(lines, masks, strict=bool(masks))
            ]
        objects = found(marked, [1.0] * len(marked), MOTS_THINGS, followed=True)
        return Prediction(asked.name, asked.index, asked.size_hw, None, objects)

    def unasked(self) -> list[str]:
        """See Reader."""
        place = "{}/{:06}.png" if not self._files else "{}.txt: frame {}"
        return [place.format(sequence, frame) for sequence, frame in sorted(self._rest)]

    def _sequence(self, file: Path) -> _Frames | None:
        """The lines of a text file; an object that becomes one of another class no longer counts from there on."""
        frames = self._whole(file.name, read_mots, file)
        kinds: dict[int, tuple[int, int]] = {}  # object -> its class, and the frame that says so first
        for frame, lines in sorted((frames or {}).items()):
            for line in list(lines):
                kind, first = kinds.setdefault(line.number, (line.kind, frame))
                if kind != line.kind:
                    said = f"object {line.number} is of class {line.kind}, in frame {first} of class {kind}"
                    self._leave(file.name, f"frame {frame}: {said}")
                    lines.remove(line)
        return frames

    def _segments(self, path: Path, size_hw: tuple[int, int]) -> Iterator[Marked]:
        """The objects of a PNG that are scored."""
        numbers = self._whole(f"{path.parent.name}/{path.name}", read_sized, path, size_hw)
        for segment in () if numbers is None else segments(numbers):
            kind = segment.number // STEP
            if kind in _KINDS:
                yield Marked(kind - 1, segment.mask, segment.crop_px, segment.number)
            elif kind != _NOT_SCORED:
                self._leave(
                    f"{path.parent.name}/{path.name}", f"object {segment.number} is of an unknown class {kind}"
                )


def _masks(lines: Sequence[MotsLine], where: str, size_hw: tuple[int, int]) -> list[Mask]:
    if lines and lines[0].size != size_hw:
        raise wrong_size(Path(where), lines[0].size, size_hw)
    return apart(lines, where)
