"""Every name of TensorRT that our code uses is one that the real bindings have, of 10, 11 and RTX.

The libraries behind the bindings of 10 and 11 are stubs of our own; the bindings themselves are NVIDIA's, downloaded:

    pip download --no-deps -d FOLDER tensorrt-cu13-bindings==10.16.1.11
    pip download --no-deps -d FOLDER tensorrt-cu13-bindings==11.4.0.106
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from engines.tensorrt_names import USED

ROOT = Path(__file__).parents[1]
STUBS = Path(__file__).parent / "tensorrt_stubs/stubs.c"
WHEELS = "DASHMASK_TENSORRT_WHEELS"
VERSIONS = {"10": "10.16.1.11", "11": "11.4.0.106"}
OURS = [ROOT / "engines" / name for name in ("tensorrt_api.py", "tensorrt_builder.py", "tensorrt_engine.py")]


@dataclass(frozen=True)
class Bindings:
    """Real bindings that can be imported in a process of their own."""

    product: str
    module: str
    version: str
    environment: dict[str, str]

    def run(self, code: str) -> Any:
        """What `code` puts into `answer`, from a process where the bindings are `trt`; nothing is torn down."""
        whole = (
            f"import json, os, sys\nsys.path.append({str(ROOT)!r})\nimport {self.module} as trt\n"
            f"product, module = {self.product!r}, {self.module!r}\n{code}\n"
            "print(json.dumps(answer), flush=True)\nos._exit(0)\n"
        )
        done = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", "-c", whole],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module", params=["10", "11", "rtx"])
def bindings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bindings:
    if request.param == "rtx":
        if find_spec("tensorrt_rtx") is None:
            pytest.skip("TensorRT for RTX is not installed: pip install tensorrt-rtx")
        return Bindings("tensorrt-rtx", "tensorrt_rtx", "", dict(os.environ))
    compiler = shutil.which("cc") or pytest.skip(
        "no C compiler for the stubs behind the bindings: apt-get install gcc"
    )
    version = VERSIONS[request.param]
    command = f"pip download --no-deps -d FOLDER tensorrt-cu13-bindings=={version}"
    given = os.environ.get(WHEELS, "")
    if not given:
        pytest.skip(f"no bindings of TensorRT {version}: {command} and set {WHEELS}=FOLDER")
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    wheels = list(Path(given).glob(f"tensorrt*_bindings-{version}-{python}-*.whl"))
    assert wheels, f"{WHEELS}={given} holds no bindings {version} for {python}: {command}"
    folder = tmp_path_factory.mktemp(f"tensorrt-{request.param}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(folder)
    for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser"):
        library = f"lib{name}.so.{request.param}"
        flags = ["-shared", "-fPIC", f"-Wl,-soname,{library}"]
        subprocess.run([compiler, *flags, "-o", folder / library, STUBS], check=True)
    environment = dict(os.environ) | {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(folder)}
    return Bindings("tensorrt", "tensorrt_bindings", version, environment)


def test_every_name_that_our_code_uses_is_there_as_it_is_used(bindings: Bindings) -> None:
    answer = bindings.run(
        "from engines.tensorrt_names import differences\nanswer = [trt.__version__, differences(trt, product)]"
    )
    assert answer == [bindings.version or answer[0], []]


def test_an_invented_name_is_found_out(bindings: Bindings) -> None:
    wrong = [
        ("Builder.build_everything", "call", ()),
        ("Builder.create_network", "call", ("flag",)),
        ("OnnxParser.parse", "call", ()),
        ("IProgressMonitor.phase_start", "override", ("phase_name", "parent_phase")),
        ("ICudaEngine.num_io_tensors", "write", ()),
        ("ICudaEngine.get_tensor_name", "read", ()),
        ("ICudaEngine.num_io_tensors", "call", ()),
        ("MemoryPoolType.SWAP", "member", ()),
        ("ITeapot.pour", "call", ()),
        ("ITeapot", "class", ()),
    ]
    answer = bindings.run(
        "from engines.tensorrt_names import Name, differences\n"
        f"answer = [differences(trt, product, [Name(*one)]) for one in {wrong!r}]"
    )
    assert [len(said) for said in answer] == [1] * len(wrong)
    assert "takes (flags), is given (flag)" in answer[1][0]


def test_what_11_dropped_is_found_out_where_it_is_gone(bindings: Bindings) -> None:
    dropped = ["BuilderFlag.FP16", "BuilderFlag.INT8", "NetworkDefinitionCreationFlag.EXPLICIT_BATCH"]
    answer = bindings.run(
        "from engines.tensorrt_names import Name, differences\n"
        f"answer = [differences(trt, product, [Name(path, 'member')]) for path in {dropped!r}]"
    )
    assert [bool(said) for said in answer] == [not bindings.version.startswith("10.")] * 3


def test_strong_typing_has_the_number_of_each_version(bindings: Bindings) -> None:
    answer = bindings.run("from engines.tensorrt_builder import strongly_typed\nanswer = strongly_typed(trt)")
    assert answer == (2 if bindings.version.startswith("10.") else 1)


def test_our_logger_and_monitor_are_made_of_the_real_classes(bindings: Bindings) -> None:
    answer = bindings.run(
        "from engines import tensorrt_api, tensorrt_builder\n"
        "heard, steps = [], []\n"
        "api = tensorrt_api.open_api(product, module, lambda severity, text: heard.append((severity, text)))\n"
        "levels = trt.ILogger.Severity\n"
        "for level in (levels.VERBOSE, levels.WARNING, levels.ERROR):\n"
        "    api.logger.log(level, f'about {level.name}')\n"
        "monitor = tensorrt_builder._monitor(trt, lambda phase, done: steps.append((phase, done)) or True)\n"
        "monitor.phase_start('all', None, 2)\n"
        "monitor.phase_start('part', 'all', 4)\n"
        "going = monitor.step_complete('part', 1)\n"
        "monitor.phase_finish('part')\n"
        "monitor.step_complete('all', 0)\n"
        "monitor.phase_finish('all')\n"
        "monitor.phase_finish('never begun')\n"
        "answer = [heard, api.last_error(), steps, going, trt.DataType.HALF.name]\n"
    )
    heard, last, steps, going, half = answer
    assert heard == [["WARNING", "about WARNING"], ["ERROR", "about ERROR"]]
    assert last == "about ERROR"
    assert steps[:3] == [["part", 0.25], ["all", 0.25], ["all", 0.5]]
    assert (going, half) == (True, "HALF")


def test_a_library_that_gives_no_builder_is_an_error_in_a_sentence(bindings: Bindings) -> None:
    if bindings.product == "tensorrt-rtx":
        pytest.skip("RTX is real and gives one")
    answer = bindings.run(
        "from engines.tensorrt_api import open_api\n"
        "from engines.tensorrt_builder import build\n"
        "from engines.tensorrt_engine import Engine\n"
        "from pipeline.errors import BackendError\n"
        "api, answer = open_api(product, module), []\n"
        "for work in (lambda: build(api, b'', []), lambda: Engine(api, b'plan')):\n"
        "    try:\n"
        "        work()\n"
        "    except BackendError as error:\n"
        "        answer.append(str(error))\n"
    )
    assert answer == [
        f"tensorrt {bindings.version} gave no builder: it does not say why",
        f"tensorrt {bindings.version} gave no runtime: it does not say why",
    ]


def test_a_plan_that_cannot_be_loaded_is_an_error_in_a_sentence(bindings: Bindings) -> None:
    if bindings.product == "tensorrt":
        pytest.skip("the stubs give no runtime")
    answer = bindings.run(
        "from engines.tensorrt_api import open_api\n"
        "from engines.tensorrt_engine import Engine\n"
        "from pipeline.errors import BackendError\n"
        "answer = ''\n"
        "try:\n"
        "    Engine(open_api(product), b'no plan' * 100)\n"
        "except BackendError as error:\n"
        "    answer = str(error)\n"
    )
    assert "gave no engine: " in answer


def test_the_table_names_all_that_our_code_touches(bindings: Bindings) -> None:
    """Attributes in our sources that a class of the table has in TensorRT are in it, and it holds nothing besides."""
    owners = sorted({name.path.partition(".")[0] for name in USED if bindings.product in name.products})
    members = bindings.run(
        f"kinds = [getattr(trt, name) for name in {owners!r}]\n"
        "answer = sorted({name for kind in kinds for name in vars(kind) if name[0] != '_'} | "
        "{name for name in vars(trt) if name[0] in 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'})"
    )
    trees = [ast.parse(file.read_text()) for file in OURS]
    touched = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    ours = {"logger", "device_memory", "node"}  # attributes of objects of our own
    used = {part for name in USED for part in name.path.split(".")}
    assert touched.intersection(members) - ours <= used
    source = "".join(file.read_text() for file in (*OURS, ROOT / "engines/probe.py"))
    assert not [name.path for name in USED if name.path.rpartition(".")[2] not in source]


def test_nothing_else_of_ours_knows_a_name_of_tensorrt() -> None:
    known = [*OURS, ROOT / "engines/tensorrt_names.py"]
    imports = []
    for file in (*ROOT.glob("engines/**/*.py"), *ROOT.glob("pipeline/**/*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            uses_module = isinstance(node, ast.Attribute) and node.attr == "trt" and file not in known
            if uses_module or {"tensorrt", "tensorrt_rtx"} & {name.partition(".")[0] for name in names}:
                imports.append(f"{file.name}:{getattr(node, 'lineno', 0)}")
    assert not imports
