// YOLO-seg's detections: threshold, order, suppression.
//
// The order is that of pipeline/postprocess: best score first, of equal scores the earlier anchor. The counter of
// candidates is filled by atomics in any order; `rank` then puts each where it belongs, so the result never depends
// on who came first.
#include "detections.cuh"

constexpr int CHUNK = 256;              // candidates settled at once
constexpr float CLASS_OFFSET_PX = 7680; // moves the classes apart, as pipeline/postprocess/nms.py has it

struct CandidatesArgs {
    const void* rows;   // (batch, 4 + classes + k, anchors): centre, size, scores, coefficients
    const u8* chosen;   // (classes,) 1: asked for
    Counts* counts;     // (batch,) candidates is 0 before
    u64* keys;          // (batch, anchors) score and anchor: the less, the better
    int* class_ids;     // (batch, anchors) by anchor
    int anchors, classes, k;
    float conf;         // scores above it are candidates
};

template <typename Element>
__device__ inline void candidates(const CandidatesArgs& args) {
    const int anchor = blockIdx.x * blockDim.x + threadIdx.x;
    if (anchor >= args.anchors) return;
    const int height = 4 + args.classes + args.k;
    const i64 image = blockIdx.y;
    const Element* column = static_cast<const Element*>(args.rows) + image * height * args.anchors + anchor;
    float best = to_float(column[(i64)4 * args.anchors]);
    int class_id = 0;
#pragma unroll 16
    for (int i = 1; i < args.classes; ++i) {
        const float score = to_float(column[(i64)(4 + i) * args.anchors]);
        if (score > best) {
            best = score;
            class_id = i;
        }
    }
    if (!(best > args.conf) || !args.chosen[class_id]) return;
    bool finite = true;
#pragma unroll 8
    for (int i = 0; i < height; ++i) finite = finite & is_finite(to_float(column[(i64)i * args.anchors]));
    if (!finite) return;
    args.class_ids[image * args.anchors + anchor] = class_id;
    const int slot = atomicAdd(&args.counts[image].candidates, 1);
    // Scores are above 0 here, and positive floats are ordered as their bits are.
    args.keys[image * args.anchors + slot] = (u64)~bits_of(best) << 32 | (u32)anchor;
}

KERNEL(candidates_f32, CandidatesArgs, THREADS) { candidates<float>(args); }
KERNEL(candidates_f16, CandidatesArgs, THREADS) { candidates<Half>(args); }

struct RankArgs {
    const void* rows;        // as above
    const Counts* counts;
    const u64* keys;         // (batch, anchors)
    const int* class_ids;    // (batch, anchors) by anchor
    Box* boxes;              // (batch, most) corners in network pixels, best first
    float* scores;           // (batch, most)
    int* anchor_of;          // (batch, most)
    int* class_of;           // (batch, most)
    int anchors, height;     // height: rows of `rows`
    int most;                // candidates that go on; the others are dropped
};

// A key's rank is how many keys are less: every thread counts for its own.
template <typename Element>
__device__ inline void rank(const RankArgs& args, u64* tile) {
    const i64 image = blockIdx.y;
    const int count = args.counts[image].candidates, slot = blockIdx.x * THREADS + threadIdx.x;
    if ((int)blockIdx.x * THREADS >= count) return;  // the whole block
    const u64* keys = args.keys + image * args.anchors;
    const u64 key = slot < count ? keys[slot] : 0;
    int place = 0;
    for (int start = 0; start < count; start += THREADS) {
        const int room = count - start < THREADS ? count - start : THREADS;
        if ((int)threadIdx.x < room) tile[threadIdx.x] = keys[start + threadIdx.x];
        __syncthreads();
        for (int i = 0; i < room; ++i) place += tile[i] < key;
        __syncthreads();
    }
    if (slot >= count || place >= args.most) return;
    const int anchor = (int)(u32)key;
    const Element* column = static_cast<const Element*>(args.rows) + image * args.height * args.anchors + anchor;
    float numbers[4];
    for (int i = 0; i < 4; ++i) numbers[i] = to_float(column[(i64)i * args.anchors]);
    const float half_w = numbers[2] / 2, half_h = numbers[3] / 2;
    const i64 at = image * args.most + place;
    args.boxes[at] = Box{numbers[0] - half_w, numbers[1] - half_h, numbers[0] + half_w, numbers[1] + half_h};
    Bits score;
    score.whole = ~(u32)(key >> 32);
    args.scores[at] = score.real;
    args.anchor_of[at] = anchor;
    args.class_of[at] = args.class_ids[image * args.anchors + anchor];
}

KERNEL(rank_f32, RankArgs, THREADS) {
    __shared__ u64 tile[THREADS];
    rank<float>(args, tile);
}
KERNEL(rank_f16, RankArgs, THREADS) {
    __shared__ u64 tile[THREADS];
    rank<Half>(args, tile);
}

struct NmsArgs {
    Counts* counts;
    const Box* boxes;     // (batch, most) best first
    const int* class_of;  // (batch, most)
    int* kept;            // (batch, max_det) rows of `boxes`, best first
    int most, max_det;    // max_det at most MOST_KEPT
    int agnostic;         // 1: boxes of all classes suppress each other
    float limit;          // a box goes if it overlaps a kept one by more than this
};

__device__ inline bool overlaps(const Box& one, const Box& two, float limit) {
    const float width = at_least(at_most(one.x1, two.x1) - at_least(one.x0, two.x0), 0);
    const float height = at_least(at_most(one.y1, two.y1) - at_least(one.y0, two.y0), 0);
    const float inter = width * height;
    const float areas = (one.x1 - one.x0) * (one.y1 - one.y0) + (two.x1 - two.x0) * (two.y1 - two.y0);
    return inter / (areas - inter) > limit;  // boxes of no area: 0 / 0 is not more than any limit
}

// Greedy, one block for an image. A chunk of candidates is rejected by what is kept, then settled by its own
// overlaps: a row of the matrix is eight words, and one thread goes from kept row to kept row.
KERNEL(nms, NmsArgs, CHUNK) {
    constexpr int WORDS = CHUNK / 32;
    __shared__ Box kept_box[MOST_KEPT];
    __shared__ Box chunk[CHUNK];
    __shared__ u32 overlap[CHUNK][WORDS];
    __shared__ u32 alive[WORDS];
    __shared__ int kept_count;
    const i64 image = blockIdx.y;
    const int own = threadIdx.x;
    const int candidates = args.counts[image].candidates;
    const int count = candidates < args.most ? candidates : args.most;
    if (own == 0) kept_count = 0;
    __syncthreads();
    for (int start = 0; start < count && kept_count < args.max_det; start += CHUNK) {
        const int room = count - start < CHUNK ? count - start : CHUNK;
        if (own < WORDS) alive[own] = 0;
        if (own < room) {
            const i64 at = image * args.most + start + own;
            const float offset = args.agnostic ? 0.0f : (float)args.class_of[at] * CLASS_OFFSET_PX;
            const Box box = args.boxes[at];
            chunk[own] = Box{box.x0 + offset, box.y0 + offset, box.x1 + offset, box.y1 + offset};
        }
        __syncthreads();
        if (own < room) {
            bool free = true;
            for (int i = 0; i < kept_count && free; ++i) free = !overlaps(kept_box[i], chunk[own], args.limit);
            if (free) atomicOr(&alive[own / 32], 1u << own % 32);
        }
        for (int cell = own; cell < room * WORDS; cell += CHUNK) {
            const int row = cell / WORDS, word = cell % WORDS;
            const int end = room < word * 32 + 32 ? room : word * 32 + 32;
            u32 bits = 0;
            for (int i = row < word * 32 ? word * 32 : row + 1; i < end; ++i) {
                if (overlaps(chunk[row], chunk[i], args.limit)) bits |= 1u << i % 32;
            }
            overlap[row][word] = bits;
        }
        __syncthreads();
        if (own == 0) {
            int so_far = kept_count;
            for (int word = 0; word < WORDS && so_far < args.max_det; ++word) {
                u32 left = alive[word];
                while (left && so_far < args.max_det) {
                    const int bit = __ffs(left) - 1, row = word * 32 + bit;
                    kept_box[so_far] = chunk[row];
                    args.kept[image * args.max_det + so_far++] = start + row;
                    for (int i = word; i < WORDS; ++i) alive[i] &= ~overlap[row][i];
                    left = alive[word] & ~((2u << bit) - 1);
                }
            }
            kept_count = so_far;
        }
        __syncthreads();
    }
    if (own == 0) args.counts[image].kept = kept_count;
}
