// Classes of pixels: logits to labels, labels to frame size, colours over a picture.
#include "kernel.cuh"

struct ArgmaxArgs {
    const void* logits;
    i64 image_stride, class_stride, row_stride, pixel_stride;  // elements
    u8* labels;  // (batch, h, w)
    int height, width, classes;
};

// The largest wins, of equal ones the first; a pixel with a NaN is VOID. As pipeline/postprocess/semantic.py.
template <typename Element>
__device__ inline void argmax(const ArgmaxArgs& args) {
    const i64 pixels = (i64)args.height * args.width, index = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= pixels) return;
    const Element* logits = static_cast<const Element*>(args.logits) + blockIdx.y * args.image_stride +
                            index / args.width * args.row_stride + index % args.width * args.pixel_stride;
    float best = to_float(logits[0]);
    bool nan = is_nan(best);
    int label = 0;
#pragma unroll 8
    for (int i = 1; i < args.classes; ++i) {
        const float value = to_float(logits[i * args.class_stride]);
        nan = nan || is_nan(value);
        if (value > best) {
            best = value;
            label = i;
        }
    }
    args.labels[blockIdx.y * pixels + index] = nan ? VOID_LABEL : label;
}

KERNEL(argmax_f32, ArgmaxArgs, THREADS) { argmax<float>(args); }
KERNEL(argmax_f16, ArgmaxArgs, THREADS) { argmax<Half>(args); }

struct SpreadArgs {
    const void* cells;      // (batch, rows, columns): whole numbers, or logits of one class against the other
    const int* rows;        // (frame height,) the row of cells that each row of pixels falls into
    const int* columns;     // (frame width,)
    const u8* table;        // (256,) what becomes of a label
    u8* map;                // (batch, frame height, frame width)
    int cells_h, cells_w, frame_h, frame_w;
    int above, below;       // labels of logits above the limit, and of others
    float limit;            // 0, of probabilities a half
};

__device__ inline int label_of(u8 value, const SpreadArgs&) { return value; }
__device__ inline int label_of(int value, const SpreadArgs&) {
    return value >= 0 && value < VOID_LABEL ? value : VOID_LABEL;
}
__device__ inline int label_of(i64 value, const SpreadArgs&) {
    return value >= 0 && value < VOID_LABEL ? (int)value : VOID_LABEL;
}
__device__ inline int label_of(float value, const SpreadArgs& args) {
    return is_nan(value) ? VOID_LABEL : (value > args.limit ? args.above : args.below);
}
__device__ inline int label_of(Half value, const SpreadArgs& args) { return label_of(to_float(value), args); }

// One class per pixel of the frame, nearest by pixel centres.
template <typename Element>
__device__ inline void spread(const SpreadArgs& args) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= args.frame_w || y >= args.frame_h) return;
    const i64 image = blockIdx.z;
    const Element* cells = static_cast<const Element*>(args.cells) + image * args.cells_h * args.cells_w;
    const Element cell = cells[(i64)args.rows[y] * args.cells_w + args.columns[x]];
    args.map[(image * args.frame_h + y) * args.frame_w + x] = args.table[label_of(cell, args)];
}

KERNEL(spread_u8, SpreadArgs, THREADS) { spread<u8>(args); }
KERNEL(spread_i32, SpreadArgs, THREADS) { spread<int>(args); }
KERNEL(spread_i64, SpreadArgs, THREADS) { spread<i64>(args); }
KERNEL(spread_f32, SpreadArgs, THREADS) { spread<float>(args); }
KERNEL(spread_f16, SpreadArgs, THREADS) { spread<Half>(args); }

struct BlendArgs {
    const u8* under;     // the picture, or one plane of it
    u8* out;             // may be the same
    const u8* labels;    // (batch, labels_h, labels_w)
    const u8* kept;      // (256,) what is left of a value of the picture
    const u8* added;     // (channels, 256) the share of a label's colour
    i64 under_stride, out_stride;    // bytes from image to image
    int under_pitch, out_pitch;      // bytes from row to row
    int height, width, channels;     // of the plane
    int labels_h, labels_w;
    int halved;          // 1: the plane has half the size and takes the label of the pixel at even x and y
    int known;           // labels from here on leave the picture as it is
};

// out = kept[under] + added[label], at most 255. As pipeline/render/labels.py.
KERNEL(blend, BlendArgs, THREADS) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= args.width || y >= args.height) return;
    const i64 image = blockIdx.z;
    const i64 pixel = (image * args.labels_h + (y << args.halved)) * args.labels_w + (x << args.halved);
    const int label = args.labels[pixel];
    const u8* under = args.under + image * args.under_stride + (i64)y * args.under_pitch + x * args.channels;
    u8* out = args.out + image * args.out_stride + (i64)y * args.out_pitch + x * args.channels;
    for (int channel = 0; channel < args.channels; ++channel) {
        const int value = under[channel];
        const int sum = args.kept[value] + args.added[256 * channel + label];
        out[channel] = label < args.known ? (sum > 255 ? 255 : sum) : value;
    }
}
