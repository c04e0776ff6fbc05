"""Threads, bounded channels and shutdown: how messages go from a source through stages to the caller."""

from __future__ import annotations

from pipeline.flow.channel import Cancelled
from pipeline.flow.flow import Flow
from pipeline.flow.interrupt import Interrupted, drain_on_interrupt, held_back, let_through, on_signal
from pipeline.flow.ledger import Ledger
from pipeline.flow.pool import Lease, Pool, Releasable, lease_of
from pipeline.flow.source import Stopping
from pipeline.flow.stage import Stage, Step
from pipeline.flow.watchdog import StallError

__all__ = [
    "Cancelled",
    "Flow",
    "Interrupted",
    "Lease",
    "Ledger",
    "Pool",
    "Releasable",
    "Stage",
    "StallError",
    "Step",
    "Stopping",
    "drain_on_interrupt",
    "held_back",
    "lease_of",
    "let_through",
    "on_signal",
]
