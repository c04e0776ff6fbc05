"""`/healthz`: whether frames come."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipeline.serve.board import Board

WELL = ("live", "ended")


class HealthRoute:
    """200 while at least one source gives frames; 503 with the reasons where none does.

    One camera of several that is away is no reason to start a run anew: what is wrong with it is in the answer.
    Without sources (an API alone) it is well as long as it answers.
    """

    def __init__(self, board: Board) -> None:
        self._board = board

    async def answer(self, request: Request) -> Response:
        """Say how the sources are."""
        sources: list[dict[str, Any]] = []
        for station in self._board.stations:
            state = station.state()
            what = {"name": station.name, "state": state.state, "since_s": round(state.since_s, 1)}
            sources.append(what | ({"reason": state.reason} if state.reason else {}))
        well = not sources or any(source["state"] in WELL for source in sources)
        told: dict[str, Any] = {"ok": well, "sources": sources}
        if not well:
            reasons = [f"{s['name']} is {s['state']}: {s.get('reason', 'no frame has come yet')}" for s in sources]
            told |= {"what": "; ".join(reasons), "hint": ""}
        return JSONResponse(told, 200 if well else 503)
