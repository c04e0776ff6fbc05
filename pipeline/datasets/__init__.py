"""Labelled images on disk, each data set in its official layout.

base.py says what a data set is and lists them; listing.py finds the files in its folders; pairs.py pairs images with
label files and reads them lazily; decoding.py reads the files and says what is wrong with them. Adding a data set is
a file here and a line in base.DATASETS.
"""

from __future__ import annotations

from pipeline.datasets.base import DATASETS, Dataset, LeftOut, Sample, open_dataset

__all__ = ["DATASETS", "Dataset", "LeftOut", "Sample", "open_dataset"]
