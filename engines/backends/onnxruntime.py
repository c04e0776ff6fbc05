"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backends.base import (
    Done,
    Options,
    Precision,
    Ticket,
    Way,
    branch_does_not_run,
    check_input,
    crew,
    does_not_run,
    share_cores,
)
from engines.backends.onnxruntime_session import (
    import_runtime,
    new_settings,
    open_session,
    runtime_errors,
    sentence,
)
from engines.backends.restart import BrokenOffError
from engines.local_branch import LocalBranch, prototypes_branch
from engines.machine import available_cores
from engines.regional import Regional
from pipeline.errors import BackendError
from pipeline.types import Card, Inferred, Prepared


class OnnxRuntimeBackend:
    """One session, called by several threads at once.

    Outputs are not copied: each array owns a piece of the session's arena and gives it back when it dies.

    Args:
        session: of the network; of its trunk where there is a branch.
        branch: what is left to whoever reads that output, and its session.
    """

    precision: Precision = "f32"
    slots = 1
    max_batch = 1
    way: Way = "tensors"

    def __init__(
        self,
        name: str,
        detail: str,
        card: Card,
        session: Any,
        workers: int,
        threads: int,
        branch: tuple[LocalBranch, Any] | None = None,
    ) -> None:
        self.name, self.detail, self.workers, self.threads = name, detail, workers, threads
        self._card = card
        self._session = session
        self._new_options = import_runtime().RunOptions
        self._branch = branch
        names = [output.name for output in card.outputs]
        self._outputs = names if branch is None else branch[0].of_trunk(names)
        self._runs: set[Any] = set()  # options of those under way: what stops them

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        """Run the network on each frame, in the calling thread."""
        return Done([self._run(prepared) for prepared in batch])

    def _run(self, prepared: Prepared) -> Inferred:
        if self._session is None:
            raise RuntimeError(f"{self.name} was closed")
        check_input(self._card, prepared)
        try:
            outputs = self._call(self._session, self._outputs, {self._card.input.name: prepared.tensor})
        except runtime_errors() as error:
            raise does_not_run(self._card, prepared, sentence(error)) from error
        if self._branch is not None:
            branch, session = self._branch
            at = self._outputs.index(branch.entry)
            outputs[at] = Regional(outputs[at], branch, partial(self._run_branch, session))
        return Inferred(prepared, tuple(outputs))

    def _run_branch(self, session: Any, features: NDArray[np.float32]) -> NDArray[np.float32]:
        assert self._branch is not None
        branch = self._branch[0]
        try:
            found: NDArray[np.float32] = self._call(session, [branch.output], {branch.entry: features})[0]
        except runtime_errors() as error:
            raise branch_does_not_run(self._card, branch.output, sentence(error)) from error
        return found

    def _call(self, session: Any, outputs: list[str], inputs: dict[str, Any]) -> list[Any]:
        options = self._new_options()
        self._runs.add(options)
        try:
            found: list[Any] = session.run(outputs, inputs, options)
        except runtime_errors() as error:
            if options.terminate:
                raise BrokenOffError(f"{self.name}: a run was broken off") from error
            raise
        finally:
            self._runs.discard(options)
        return found

    def interrupt(self) -> None:
        """Break off all runs at their next operator: they raise BrokenOffError."""
        for options in list(self._runs):
            options.terminate = True

    def close(self) -> None:
        """Let go of the session; arrays that were handed out stay valid."""
        self._session = None


def open_cpu(card: Card, options: Options) -> OnnxRuntimeBackend:
    """The network on the CPU.

    Raises:
        BackendError: not installed, or the network has an operator that it lacks.
        ModelError: the file is broken.
    """
    ort = import_runtime()
    if options.precision != "f32":
        raise BackendError(f"onnxruntime-cpu has no {options.precision}, only f32")
    workers, threads = share_cores(options.workers, options.threads, available_cores())
    settings = new_settings(ort)
    # The threads that call take part in the work; the session's pool holds the others, and all share it.
    settings.intra_op_num_threads = workers * (threads - 1) + 1
    settings.inter_op_num_threads = 1
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # cores are shared with other stages
    # Arena with plain growth: least memory and most speed of the four combinations (ENet 1024x512, two workers:
    # 497 MB and 401 ms of CPU; with patterns 707 and 418; without the arena up to 588 and 482).
    settings.enable_mem_pattern = False
    branch = prototypes_branch(card)
    parts = [None] if branch is None else [branch.trunk, branch.branch]
    session, *rest = (open_session(ort, card, settings, ["CPUExecutionProvider"], part) for part in parts)
    return OnnxRuntimeBackend(
        "onnxruntime-cpu",
        f"ONNX Runtime {ort.__version__}, CPU, f32, {crew(workers, threads)}",
        card,
        session,
        workers,
        threads,
        None if branch is None else (branch, rest[0]),
    )


def open_exact(card: Card, threads: int | None = None) -> OnnxRuntimeBackend:
    """The network on the CPU as its file says it, operator by operator: what other backends are compared with.

    No operator is fused, replaced or moved, and sums are added up in the same order every time.

    Args:
        card: of the network.
        threads: None: one per core.

    Raises:
        BackendError: not installed, or the network has an operator that it lacks.
        ModelError: the file is broken.
    """
    ort = import_runtime()
    workers, threads = share_cores(1, threads, available_cores())
    settings = new_settings(ort)
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.use_deterministic_compute = True
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.enable_mem_pattern = False
    session = open_session(ort, card, settings, ["CPUExecutionProvider"])
    detail = f"ONNX Runtime {ort.__version__}, CPU, f32, nothing rewritten, {crew(workers, threads)}"
    return OnnxRuntimeBackend("onnxruntime-cpu", detail, card, session, workers, threads)
