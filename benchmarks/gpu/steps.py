"""What can stand as the network in the way (engines.kernels.way.Network): each reads and writes our device memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from networks import ROOT, Net, in_half

from engines.backends.onnxruntime_bound import BoundNetwork
from engines.backends.onnxruntime_cuda import CudaRuntime
from engines.backends.onnxruntime_libraries import preload
from engines.device.base import Device, DeviceBuffer, Stream
from engines.device.recorded import Step
from engines.kernels.way import Launch, Network
from pipeline.errors import BackendError


class Maker(Protocol):
    """A network that is loaded for one shape, of which every slot gets its own."""

    name: str  # runtime and precision
    graphs: bool  # whether its step can be recorded with the others

    def network(self) -> Network:
        """For one slot."""
        ...

    def close(self) -> None:
        """Let go of it; the ways with its networks must be freed."""
        ...


class OrtMaker:
    """ONNX Runtime by its CUDA provider, as the backend has it: what would be left to the CPU is an error.

    Its step is not recorded; what stands before and behind it is.
    """

    graphs = True

    def __init__(
        self,
        device: Device,
        net: Net,
        batch: int,
        half: bool,
        work: Path,
        provider: str = "CUDA",
        memory: str = "cuda",
    ) -> None:
        import onnxruntime

        if provider == "CUDA":
            preload(onnxruntime)
        net = in_half(net, work) if half else net
        self.name = f"ONNX Runtime {provider} {'fp16' if half else 'fp32'}"
        self._runtime = CudaRuntime(onnxruntime, net.card, device, f"{provider}ExecutionProvider", memory)
        self._shape = net.shape(batch)
        self._networks: list[BoundNetwork] = []
        wrong = [shape for shape, _ in self.network().outputs if shape[0] != batch]
        if wrong:
            raise BackendError(f"{net.label} answers {wrong[0]} for {batch} frames")

    def network(self) -> BoundNetwork:
        self._networks.append(self._runtime.network(self._shape, self._runtime.stream))
        return self._networks[-1]

    def close(self) -> None:
        networks, self._networks = self._networks, []
        for network in networks:
            network.close()
        self._runtime.close()
        self._runtime.stream.free()


class RtxMaker:
    """A plan of TensorRT for RTX, built here for one shape."""

    graphs = True

    def __init__(self, device: Device, net: Net, batch: int, half: bool, work: Path) -> None:
        from engines.backends.tensorrt_plan import PlanRuntime
        from engines.build import build
        from engines.gpu import gpu_here
        from engines.kept_file import read_kept
        from engines.manifest import Machine
        from engines.plans import compiled_path, load_plan
        from engines.probe import tensorrt_here
        from engines.tensorrt_api import open_api
        from engines.tensorrt_engine import Engine

        here = tensorrt_here("tensorrt-rtx")
        if here.reason:
            raise BackendError(here.reason)
        precision = "fp16" if half else "fp32"
        self.name = f"TensorRT for RTX {precision}"
        work.mkdir(parents=True, exist_ok=True)
        out = work / f"{net.card.path.stem}-{net.size_hw[1]}x{net.size_hw[0]}-{batch}-{precision}.plan"
        sizes, batches = [net.size_hw], [(batch, batch)]
        made = build(net.card, precision=precision, shapes_hw=sizes, batches=batches, product="tensorrt-rtx", out=out)
        machine = Machine("tensorrt-rtx", here.version, gpu_here()[0])
        data, manifest = load_plan(made.plan.path, machine)
        self._compiled = compiled_path(made.plan.path, machine)
        self._engine = Engine(open_api("tensorrt-rtx"), data, read_kept(self._compiled) or b"")
        self._runtime = PlanRuntime(device, self._engine, net.card, manifest)
        self._shape, self._device = net.shape(batch), device
        self._closing: list[Callable[[], None]] = []

    def network(self) -> Network:
        stream = self._device.stream()  # the plan's shape is set in it
        network: Any = self._runtime.network(self._shape, stream)
        made: Network = network
        self._closing += [network.close, stream.free]
        return made

    def close(self) -> None:
        from engines.kept_file import keep

        if now := self._engine.compiled():
            keep(self._compiled, now)  # another process need not compile it again
        closing, self._closing = self._closing, []
        for close in closing:
            close()
        self._runtime.close()


class TorchMaker:
    """Our ENet in torch, a stand-in where no runtime of ours is here: torch's own CUDA graph between our kernels."""

    graphs = False  # a graph of torch's cannot be put into another one

    def __init__(self, device: Device, net: Net, batch: int, half: bool, work: Path) -> None:
        if net.card.family != "semantic" or "enet" not in net.card.name.lower():
            raise BackendError(f"{net.label} is no network of torch's here")
        import torch

        self.name = f"torch {torch.__version__} {'fp16' if half else 'fp32'} (stand-in)"
        self._module = deployed(len(net.card.classes), net.size_hw, half).cuda()
        self._batch, self._size_hw = batch, net.size_hw

    def network(self) -> Network:
        return TorchNetwork(self._module, self._batch, self._size_hw)

    def close(self) -> None:
        import torch

        del self._module
        torch.cuda.empty_cache()


class TorchNetwork:
    """See TorchMaker. Output is a class for each pixel, uint8."""

    graphs = False

    def __init__(self, module: Any, batch: int, size_hw: tuple[int, int]) -> None:
        self.outputs: Sequence[tuple[tuple[int, ...], np.dtype[Any]]] = [((batch, *size_hw), np.dtype(np.uint8))]
        self._module, self._batch, self._size_hw = module, batch, size_hw

    def step(self, tensor: DeviceBuffer, outputs: Sequence[DeviceBuffer]) -> Step:
        import torch

        given = torch.as_tensor(OnDevice(tensor.ptr, (self._batch, 3, *self._size_hw), "<f4"), device="cuda")
        wanted = torch.as_tensor(OnDevice(outputs[0].ptr, (self._batch, *self._size_hw), "|u1"), device="cuda")
        graph, beside = torch.cuda.CUDAGraph(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            with torch.cuda.stream(beside):
                for _ in range(3):
                    wanted.copy_(self._module(given))
            beside.synchronize()
            with torch.cuda.graph(graph, stream=beside):
                wanted.copy_(self._module(given))

        def replay(stream: Stream) -> None:
            with torch.cuda.stream(torch.cuda.ExternalStream(stream.handle)):  # type: ignore[no-untyped-call]
                graph.replay()

        return Launch(replay)


class OnDevice:
    """Device memory as torch and cupy take it."""

    def __init__(self, ptr: int, shape: tuple[int, ...], kind: str) -> None:
        self.__cuda_array_interface__ = {"shape": shape, "typestr": kind, "data": (ptr, False), "version": 3}


def deployed(classes: int, size_hw: tuple[int, int], half: bool) -> Any:
    """Our ENet as it is exported: pixels 0..255 in, classes out; with the repository's weights where it has some."""
    import torch

    from engines.graph import Deployed
    from engines.nets import build_net

    torch.manual_seed(0)
    net: Any = build_net("enet", classes).eval()
    scaling: Any = (1 / 255, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    for path in sorted((ROOT / "engines/weights").glob("enet*.safetensors")):
        from engines.training.checkpoint import load_checkpoint

        net, about = load_checkpoint(path)
        spec = about.get("input", {})
        scaling = tuple(spec.get(name, usual) for name, usual in zip(("scale", "mean", "std"), scaling, strict=True))
    return Deployed(net, scaling, half=half, logits=False, size_hw=size_hw).eval()
