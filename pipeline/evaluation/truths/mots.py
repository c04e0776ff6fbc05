"""Truth of KITTI MOTS: sequences of PNGs, or text files of them."""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets import LeftOut
from pipeline.datasets.kitti_mots import SPLITS, VAL, Lines, MotsObjects
from pipeline.datasets.listing import files
from pipeline.datasets.mots_lines import read_mots
from pipeline.datasets.pairs import Pair, chosen_split
from pipeline.errors import DataError
from pipeline.evaluation.truths.base import TruthWanted


class MotsTruths(MotsObjects):
    """A folder with `instances` or `instances_txt`, or one of their content, or the text file of one sequence.

    Of the whole data set (with `training/`) the sequences of a split count. Where a seqmap lies beside the truth,
    such as mots_tools' val.seqmap, its sequences do. A text file tells frames up to the last with an object, a seqmap
    up to the last; frames without any object are as large as the others.
    """

    def __init__(self, wanted: TruthWanted) -> None:
        path = wanted.path
        places = [base / name for base in (path / "training", path) for name in ("instances", "instances_txt")]
        folder = next((place for place in places if place.is_dir()), path)
        lasts = _seqmap(path, folder, wanted.split)
        if lasts is not None and not folder.is_dir():  # the file of one sequence
            lasts = {name: last for name, last in lasts.items() if name == folder.stem} or None
        whole = lasts is None and (path / "training").is_dir()
        (split,) = chosen_split(wanted.split, SPLITS, "kitti-mots") if whole else ("training",)

        def counts(sequence: str) -> bool:
            return (
                sequence in lasts
                if lasts is not None
                else split == "training" or (sequence in VAL) == (split == "val")
            )

        texts = files(folder, (".txt",)) if folder.is_dir() else {folder.stem: folder}
        left_out: list[LeftOut] = []
        lines: Lines = {}
        for name, file in texts.items():
            if not counts(name):
                continue
            try:
                lines[name] = read_mots(file)
            except DataError as error:
                left_out.append(LeftOut(file.name, error.message))
        objects = {name: [line for some in frames.values() for line in some] for name, frames in lines.items()}
        self._sizes = {name: some[0].size for name, some in objects.items() if some}
        pairs = [
            Pair(f"{name}/{frame:06}", texts[name], texts[name])
            for name in self._sizes
            for frame in range(max(*lines[name], (lasts or {}).get(name, 0)) + 1)
        ]
        pngs = files(folder, (".png",), deep=True) if folder.is_dir() and not texts else {}
        pairs += [Pair(name, png, png) for name, png in pngs.items() if counts(png.parent.name)]
        there = {Path(pair.name).parent.name for pair in pairs} | {Path(one.name).stem for one in left_out}
        left_out += [
            LeftOut(name, "the seqmap names it, and there is no truth of it")
            for name in lasts or ()
            if name not in there
        ]
        super().__init__(pairs, left_out, lines)

    def _size(self, pair: Pair) -> tuple[int, int]:
        return self._sizes[Path(pair.name).parent.name]


def _seqmap(path: Path, folder: Path, split: str) -> dict[str, int] | None:
    """Sequences and their last frames, from lines of `0002 empty 000000 000232`; None where there is no such file.

    Raises:
        DataError: there are several and none is of that split, or it holds something else.
    """
    places = dict.fromkeys((path, folder) if path.is_dir() else (path.parent,))
    there = [file for place in places for file in sorted(place.glob("*.seqmap*"))]
    if not there:
        return None
    chosen = [file for file in there if split in file.name.split(".")] or there
    if len(chosen) > 1:
        raise DataError(
            f"{chosen[0].parent} has {len(chosen)} seqmaps: {', '.join(file.name for file in chosen)}",
            hint=f"none is of the split {split}: say another one with --split, or leave one there",
        )
    lasts = {}
    for place, line in enumerate(chosen[0].read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) < 4 or not words[3].isdecimal():
            raise DataError(f"{chosen[0]}: line {place} is no sequence", hint="such as `0002 empty 000000 000232`")
        lasts[words[0]] = int(words[3])
    return lasts
