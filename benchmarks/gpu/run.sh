#!/usr/bin/env bash
# Everything that needs a GPU, in one command of at most 8 minutes on a bare machine: CUDA, torch, no network.
#
#   benchmarks/gpu/run.sh [--only PART]... [--name NAME] [--out FOLDER] [--seconds 460] [--dry]
#   benchmarks/gpu/run.sh --stash       only keep the packs of .gpu/ on the machine, where they come in several goes
#
# Parts: machine device kernels onnxruntime rtx run way sanitizer compile. Each runs in a process of its own with a time
# limit; what is missing is told and skipped. The result is FOLDER/gpu-NAME.json (benchmarks/results by default, or $OUT), whole
# after every part, and a table beside it. --dry runs all of it without touching a GPU.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec "${PYTHON:-python3}" -u benchmarks/gpu/runner.py "$@"
