"""What stands before each packet on its way to the process that sends."""

from __future__ import annotations

import struct

HEADER = struct.Struct("<qqqIB")  # ticks, decode ticks, duration (ticks), bytes, whether it is a key frame
