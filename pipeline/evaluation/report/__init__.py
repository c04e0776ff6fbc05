"""An evaluation as a page that opens offline: charts, the worst images with the truth beside, and all figures.

worst.py keeps the worst frames as the evaluation goes; charts.py draws with matplotlib; page.py writes one HTML file
with every picture inside.
"""

from __future__ import annotations

from pipeline.evaluation.report.page import check_folder, write_page
from pipeline.evaluation.report.worst import Worst

__all__ = ["Worst", "check_folder", "write_page"]
