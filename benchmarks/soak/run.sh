#!/usr/bin/env bash
# Does a run stay as it was? 60,000 frames at full speed, then 10 minutes live with a camera that is killed again and
# again, then 200 damaged files. `--short`: 3,000 frames, 18 seconds, 20 files. Needs what tests/rtsp_process.py names.
#
#     benchmarks/soak/run.sh [--short] [--only PART...] [--json OUT.json]
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONPATH=$PWD:$PWD/tests${PYTHONPATH:+:$PYTHONPATH}
exec "${PYTHON:-python3}" benchmarks/soak/soak.py "$@"
