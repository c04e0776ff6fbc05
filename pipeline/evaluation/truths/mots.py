"""Truth of KITTI MOTS: sequences of PNGs, or text files of them."""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets import LeftOut
from pipeline.datasets.kitti_mots import Lines, MotsObjects
from pipeline.datasets.mots_lines import read_mots
from pipeline.datasets.pairs import Pair, files
from pipeline.errors import DataError
from pipeline.evaluation.truths.base import TruthWanted


class MotsTruths(MotsObjects):
    """A folder with `instances` or `instances_txt`, or one of their content, or the text file of one sequence.

    A text file tells frames up to the last with an object; those without any are as large as the others.
    """

    def __init__(self, wanted: TruthWanted) -> None:
        path = wanted.path
        places = [base / name for base in (path / "training", path) for name in ("instances", "instances_txt")]
        folder = next((place for place in places if place.is_dir()), path)
        texts = files(folder, (".txt",)) if folder.is_dir() else {folder.stem: folder}
        left_out: list[LeftOut] = []
        lines: Lines = {}
        for name, file in texts.items():
            try:
                lines[name] = read_mots(file)
            except DataError as error:
                left_out.append(LeftOut(file.name, error.message))
        objects = {name: [line for some in frames.values() for line in some] for name, frames in lines.items()}
        self._sizes = {name: some[0].size for name, some in objects.items() if some}
        pairs = [
            Pair(f"{name}/{frame:06}", texts[name], texts[name])
            for name in self._sizes
            for frame in range(max(lines[name]) + 1)
        ]
        pngs = files(folder, (".png",), deep=True) if folder.is_dir() and not texts else {}
        pairs += [Pair(name, png, png) for name, png in pngs.items()]
        super().__init__(pairs, left_out, lines)

    def _size(self, pair: Pair) -> tuple[int, int]:
        return self._sizes[Path(pair.name).parent.name]
