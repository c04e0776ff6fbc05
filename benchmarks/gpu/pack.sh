#!/usr/bin/env bash
# Gather what a bare machine (CUDA, torch and cupy for Python 3.12, no network) lacks, where there is a package index.
#
#   benchmarks/gpu/pack.sh [--sm 90] [--only base|more|onnxruntime|rtx]... [FILE ...]
#
# Writes .gpu/1, .gpu/2, ...: folders of at most PART_MIB each (62 less what the checkout has), with a SHA256SUMS in
# each, so that they can be carried one by one, each with the checkout in 64 MiB; run.sh joins them. FILEs go along: a
# YOLO *-seg.onnx, an enet*.onnx, a clip (*.mp4).
# `more` is what such machines mostly have; it is packed only where it is asked for.
set -euo pipefail
set -f # 13.0.* is a version
cd "$(dirname "$0")/../.."

sm=90
want=()
files=()
while (($#)); do
    case $1 in
        --sm) sm=$2; shift 2 ;;
        --only) want+=("$2"); shift 2 ;;
        -h | --help) sed -n '2,9p' "$0"; exit 0 ;;
        -*) echo "pack.sh: $1 is no option" >&2; exit 2 ;;
        *) files+=("$1"); shift ;;
    esac
done
((${#want[@]})) || want=(base onnxruntime rtx)

out=${GPU_PACKS:-.gpu}
python=${PYTHON:-python3}
tree_mib=20
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    tree_mib=$(git ls-files -z --cached --others --exclude-standard | du -cm --files0-from=- 2>/dev/null | tail -n 1 | cut -f 1)
fi
part_mib=${PART_MIB:-$((62 - tree_mib))}
# Whole versions where a part must fit another one: NVRTC and bindings no newer than the driver's CUDA 13.0.
base=(${BASE_PACKAGES:-msgspec av cuda-bindings==13.0.* cuda-pathfinder})
more=(${MORE_PACKAGES:-numpy typer click shellingham rich pygments markdown-it-py mdurl typing-extensions pyyaml onnx
    ml-dtypes protobuf opencv-python-headless pytest pluggy iniconfig packaging hypothesis sortedcontainers psutil
    pytest-timeout nvidia-cuda-nvrtc==13.0.*})
ort=onnxruntime-gpu==${ORT_VERSION:-1.31.1}
rtx=${RTX_VERSION:-1.7.1.116}

kept=${GPU_WHEELS:-$out/wheels} # downloads, kept between runs
rm -rf "$out/ready"
mkdir -p "$out/ready" "$kept"
platforms=()
for glibc in 28 27 24 17 31 34; do platforms+=(--platform "manylinux_2_${glibc}_x86_64"); done
platforms+=(--platform manylinux2014_x86_64 --platform manylinux2010_x86_64 --platform manylinux1_x86_64)

fetch() { # into a folder, without what they need: each is named
    local folder=$1
    shift
    "$python" -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
        "${platforms[@]}" -d "$folder" "$@"
}

for part in "${want[@]}"; do
    case $part in
        base)
            fetch "$kept/base" "${base[@]}"
            find "$kept/base" -name '*.whl' -exec cp {} "$out/ready/" \;
            ;;
        more)
            fetch "$kept/more" "${more[@]}"
            find "$kept/more" -name '*.whl' -exec cp {} "$out/ready/" \;
            ;;
        onnxruntime)
            fetch "$kept/onnxruntime" "$ort"
            "$python" benchmarks/gpu/one_architecture.py "$kept/onnxruntime" --sm "$sm" \
                --out "$out/ready/onnxruntime-gpu-sm$sm.tar.xz"
            ;;
        rtx)
            fetch "$kept/rtx" "tensorrt-rtx-cu13-bindings==$rtx" "tensorrt-rtx-cu13-libs==$rtx"
            # These two hold only names, and come as sources.
            "$python" -m pip wheel -q --no-deps -w "$kept/rtx" "tensorrt-rtx==$rtx" "tensorrt-rtx-cu13==$rtx"
            if [[ ${QUICK:-} ]]; then # as they are: 92 MiB in place of 59, and no quarter of an hour of packing
                find "$kept/rtx" -name '*.whl' -exec cp {} "$out/ready/" \;
            else
                "$python" benchmarks/gpu/one_architecture.py "$kept/rtx" --out "$out/ready/tensorrt-rtx.tar.xz"
            fi
            ;;
        *) echo "pack.sh: --only $part: known are base, more, onnxruntime, rtx" >&2; exit 2 ;;
    esac
done
for file in ${files[@]+"${files[@]}"}; do cp "$file" "$out/ready/"; done
"$python" benchmarks/gpu/parts_of.py "$out/ready" "$out" --mib "$part_mib"
