// Masks of kept boxes: prototypes x coefficients inside each box only, bilinear to pixels of the frame, packed one
// behind the other. As pipeline/postprocess/masks.py; what is above 0 is inside.
//
// Boxes are of all sizes, so work is shared out by place in the packed arrays, not by box: a thread looks up which
// box its cells or pixels belong to.
#include "detections.cuh"

constexpr int RUN = 16;  // neighbouring pixels that a thread looks at

struct MaskArgs {
    const void* prototypes;       // (batch, k, grid_h, grid_w)
    Counts* counts;
    const Rectangle* crops;       // (batch, max_det)
    const Rectangle* windows;     // (batch, max_det)
    const float* coefficients;    // (batch, max_det, k)
    const i64* cell_offset;       // (batch, max_det + 1)
    const i64* mask_offset;       // (batch, max_det + 1)
    float* logits;                // (batch, cells_room)
    u32* shown;                   // (batch, max_det) 1: the mask has a pixel
    const int* source;            // (batch, max_det) which kept box an instance is
    const i64* offset;            // (batch, max_det + 1) where each instance's mask begins
    u8* arena;                    // (batch, mask_room), mask_room a multiple of 4
    const AxisTap* down;
    const AxisTap* across;
    i64 cells_room, mask_room;
    int max_det, k, grid_h, grid_w;
    int three;                    // 1: taps have three cells, else two
};

// sum of coefficient * prototype at every cell of every window
template <typename Element>
__device__ inline void logits(const MaskArgs& args) {
    const i64 image = blockIdx.y;
    const Counts counts = args.counts[image];
    if (counts.overflow || !counts.kept) return;
    const i64* offset = args.cell_offset + image * (args.max_det + 1);
    const i64 plane = (i64)args.grid_h * args.grid_w;
    const Element* prototypes = static_cast<const Element*>(args.prototypes) + image * args.k * plane;
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < counts.cells; i += (i64)gridDim.x * blockDim.x) {
        const int box = find_segment(offset, counts.kept, i);
        const Rectangle window = args.windows[image * args.max_det + box];
        const int inside = (int)(i - offset[box]), width = window.x1 - window.x0;
        const i64 cell = (i64)(window.y0 + inside / width) * args.grid_w + window.x0 + inside % width;
        const float* coefficients = args.coefficients + (image * args.max_det + box) * args.k;
        float sum = 0;
#pragma unroll 8
        for (int number = 0; number < args.k; ++number) {
            sum += coefficients[number] * to_float(prototypes[number * plane + cell]);
        }
        args.logits[image * args.cells_room + i] = sum;
    }
}

KERNEL(mask_logits_f32, MaskArgs, THREADS) { logits<float>(args); }
KERNEL(mask_logits_f16, MaskArgs, THREADS) { logits<Half>(args); }

// Goes along the pixels of packed crops.
struct Pixel {
    int box, x, y;
    Rectangle crop, window;
    const float* logits;

    __device__ void enter(const MaskArgs& args, i64 image, int which, i64 inside) {
        const i64 at = image * args.max_det + which;
        box = which;
        crop = args.crops[at];
        window = args.windows[at];
        logits = args.logits + image * args.cells_room + args.cell_offset[image * (args.max_det + 1) + which];
        const int width = crop.x1 - crop.x0;
        x = crop.x0 + (int)(inside % width);
        y = crop.y0 + (int)(inside / width);
    }

    // To the next pixel of the same crop; false behind the last.
    __device__ bool next() {
        if (++x == crop.x1) {
            x = crop.x0;
            ++y;
        }
        return y < crop.y1;
    }

    __device__ bool inside(const MaskArgs& args) const {
        const AxisTap column = args.across[x], row = args.down[y];
        return (args.three ? value<3>(column, row) : value<2>(column, row)) > 0;
    }

    template <int reach>
    __device__ float value(const AxisTap& column, const AxisTap& row) const {
        const int width = window.x1 - window.x0;
        float sum = 0;
        for (int v = 0; v < reach; ++v) {
            const int cell_y = (row.first + v < window.y1 ? row.first + v : window.y1 - 1) - window.y0;
            float line = 0;
            for (int u = 0; u < reach; ++u) {
                const int cell_x = (column.first + u < window.x1 ? column.first + u : window.x1 - 1) - window.x0;
                line += logits[cell_y * width + cell_x] * column.weight[u];
            }
            sum += line * row.weight[v];
        }
        return sum;
    }
};

// Which masks have a pixel; most threads leave as soon as another one has found it.
KERNEL(mask_find, MaskArgs, THREADS) {
    const i64 image = blockIdx.y;
    const Counts counts = args.counts[image];
    if (counts.overflow || !counts.kept) return;
    const i64* offset = args.mask_offset + image * (args.max_det + 1);
    u32* shown = args.shown + image * args.max_det;
    const i64 stride = (i64)gridDim.x * blockDim.x * RUN;
    for (i64 start = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * RUN; start < counts.mask_bytes; start += stride) {
        i64 at = start;
        const i64 end = start + RUN < counts.mask_bytes ? start + RUN : counts.mask_bytes;
        while (at < end) {
            const int box = find_segment(offset, counts.kept, at);
            const i64 stop = offset[box + 1] < end ? offset[box + 1] : end;
            if (!shown[box]) {
                Pixel pixel;
                pixel.enter(args, image, box, at - offset[box]);
                for (; at < stop; ++at) {
                    if (pixel.inside(args)) {
                        atomicOr(&shown[box], 1u);
                        break;
                    }
                    pixel.next();
                }
            }
            at = stop;
        }
    }
}

// The masks, 255 inside and 0 outside, four pixels at a time; the arena may be pinned memory of the host.
KERNEL(mask_write, MaskArgs, THREADS) {
    const i64 image = blockIdx.y;
    const int count = args.counts[image].instances;
    if (!count) return;
    const i64* offset = args.offset + image * (args.max_det + 1);
    const int* source = args.source + image * args.max_det;
    const i64 total = offset[count], stride = (i64)gridDim.x * blockDim.x * 4;
    u32* arena = reinterpret_cast<u32*>(args.arena + image * args.mask_room);
    for (i64 start = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * 4; start < total; start += stride) {
        int instance = find_segment(offset, count, start);
        Pixel pixel;
        pixel.enter(args, image, source[instance], start - offset[instance]);
        u32 four = 0;
        for (int i = 0; i < 4; ++i) {
            if (pixel.inside(args)) four |= 255u << 8 * i;
            if (!pixel.next()) {
                if (++instance == count) break;
                pixel.enter(args, image, source[instance], 0);
            }
        }
        arena[start / 4] = four;
    }
}
