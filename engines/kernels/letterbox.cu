// Frames to a network's input in one pass: resize, colour, normalise, pad, any layout and type.
//
// Bilinear in the fixed point of OpenCV's cv2.resize (11 bits across, 4 of them dropped, 11 bits down), colour in
// that of cv2.transform (10 bits), normalised by a table of what each of the 256 values becomes: the same bits as
// pipeline/preprocess.py. Where to sample is planned on the host, once for a size.
#include "kernel.cuh"

struct Tap {  // between which two samples an output lies, and how near, in 1/2048
    int first, second;
    short near_weight, far_weight;
};

struct Plane {
    const u8* data;
    i64 image_stride;  // bytes from one image of a batch to the next
    int pitch;         // bytes from row to row
    int step;          // bytes from sample to sample
};

struct LetterboxArgs {
    Plane planes[3];         // B, G, R, or Y, U, V
    const Tap* across[2];    // (content width,) of the first plane, and of the others
    const Tap* down[2];      // (content height,)
    const void* tables;      // (3, 256) tensor elements: what a value becomes, by tensor channel
    void* tensor;
    i64 image_stride, channel_stride, row_stride, pixel_stride;  // of the tensor, elements
    int network_h, network_w, content_h, content_w, top, left;   // pixels
    int pad;                 // pixel value around the picture
    int rgb;                 // tensor channels are R, G, B; else B, G, R
    int chroma_half_even;    // interleaved chroma that is halved exactly: cv2 rounds half to even there
    int to_bgr[12];          // (3, 4) from Y, U, V, 1 in 1/1024, half a level added
};

__device__ inline int sample(const Plane& plane, const Tap& x, const Tap& y, bool half_even) {
    const u8* image = plane.data + blockIdx.z * plane.image_stride;
    const u8* upper = image + (i64)y.first * plane.pitch;
    const u8* lower = image + (i64)y.second * plane.pitch;
    const i64 left = (i64)x.first * plane.step, right = (i64)x.second * plane.step;
    if (half_even) {
        const int sum = upper[left] + upper[right] + lower[left] + lower[right];
        const int floor = sum >> 2, rest = sum & 3;
        return floor + (rest == 3 || (rest == 2 && (floor & 1)));
    }
    const int above = upper[left] * x.near_weight + upper[right] * x.far_weight;
    const int below = lower[left] * x.near_weight + lower[right] * x.far_weight;
    return ((((above >> 4) * y.near_weight) >> 16) + (((below >> 4) * y.far_weight) >> 16) + 2) >> 2;
}

template <typename Element, bool yuv>
__device__ inline void letterbox(const LetterboxArgs& args) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= args.network_w || y >= args.network_h) return;
    int bgr[3] = {args.pad, args.pad, args.pad};
    const int column = x - args.left, row = y - args.top;
    if (column >= 0 && column < args.content_w && row >= 0 && row < args.content_h) {
        int values[3];
        for (int i = 0; i < 3; ++i) {
            const int set = yuv && i > 0;
            values[i] =
                sample(args.planes[i], args.across[set][column], args.down[set][row], set && args.chroma_half_even);
        }
        for (int i = 0; i < 3; ++i) {
            const int* m = args.to_bgr + 4 * i;
            bgr[i] = yuv ? clamp_int((values[0] * m[0] + values[1] * m[1] + values[2] * m[2] + m[3]) >> 10, 0, 255)
                         : values[i];
        }
    }
    const Element* tables = static_cast<const Element*>(args.tables);
    Element* pixel = static_cast<Element*>(args.tensor) + blockIdx.z * args.image_stride + y * args.row_stride +
                     x * args.pixel_stride;
    for (int channel = 0; channel < 3; ++channel) {
        pixel[channel * args.channel_stride] = tables[256 * channel + (args.rgb ? bgr[2 - channel] : bgr[channel])];
    }
}

// An element is moved, never computed with: a half is two bytes.
KERNEL(letterbox_bgr_1, LetterboxArgs, THREADS) { letterbox<u8, false>(args); }
KERNEL(letterbox_bgr_2, LetterboxArgs, THREADS) { letterbox<u16, false>(args); }
KERNEL(letterbox_bgr_4, LetterboxArgs, THREADS) { letterbox<u32, false>(args); }
KERNEL(letterbox_yuv_1, LetterboxArgs, THREADS) { letterbox<u8, true>(args); }
KERNEL(letterbox_yuv_2, LetterboxArgs, THREADS) { letterbox<u16, true>(args); }
KERNEL(letterbox_yuv_4, LetterboxArgs, THREADS) { letterbox<u32, true>(args); }
