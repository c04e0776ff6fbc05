// Kept boxes to places in the frame, before their masks are made; and instances, once it is known which mask is empty.
#include "detections.cuh"

struct PlaceArgs {
    const void* rows;         // (batch, height, anchors) the network's detections
    Counts* counts;
    const Box* boxes;         // (batch, most) corners in network pixels, best first
    const int* anchor_of;     // (batch, most)
    const int* kept;          // (batch, max_det) rows of `boxes`
    Box* frame_boxes;         // (batch, max_det) corners in frame pixels
    Rectangle* crops;         // (batch, max_det) frame pixels
    Rectangle* windows;       // (batch, max_det) prototype cells
    float* coefficients;      // (batch, max_det, k)
    i64* cell_offset;         // (batch, max_det + 1) where each window begins among the cells
    i64* mask_offset;         // (batch, max_det + 1) where each crop would begin if none were left out
    u32* shown;               // (batch, max_det) set to 0
    const AxisTap* down;      // (frame height,)
    const AxisTap* across;    // (frame width,)
    i64 cells_room, mask_room;
    int most, max_det, anchors, height, k;
    int frame_h, frame_w, grid_h, grid_w;
    float left, top, scale_x, scale_y;  // network = frame * scale + (left, top)
    int half;                 // rows are halves
};

__device__ inline float to_frame(float value, float offset, float scale, int size) {
    return at_most(at_least((value - offset) / scale, 0), (float)size);
}

__device__ inline int ceil_int(float value) {
    const int down = (int)value;
    return down + ((float)down < value);
}

__device__ inline i64 area(const Rectangle& part) {
    return part.x1 > part.x0 && part.y1 > part.y0 ? (i64)(part.x1 - part.x0) * (part.y1 - part.y0) : 0;
}

// One block for an image, one thread for a kept box.
KERNEL(place, PlaceArgs, MOST_KEPT) {
    __shared__ i64 room[2 * MOST_KEPT];
    const i64 image = blockIdx.y;
    const int own = threadIdx.x, kept = args.counts[image].kept;
    const i64 at = image * args.max_det + own;
    Rectangle crop = {0, 0, 0, 0}, window = {0, 0, 0, 0};
    if (own < kept) {
        const Box box = args.boxes[image * args.most + args.kept[at]];
        const Box moved = {to_frame(box.x0, args.left, args.scale_x, args.frame_w),
                           to_frame(box.y0, args.top, args.scale_y, args.frame_h),
                           to_frame(box.x1, args.left, args.scale_x, args.frame_w),
                           to_frame(box.y1, args.top, args.scale_y, args.frame_h)};
        crop = Rectangle{ceil_int(moved.x0), ceil_int(moved.y0), ceil_int(moved.x1), ceil_int(moved.y1)};
        if (area(crop)) {
            window = Rectangle{args.across[crop.x0].first, args.down[crop.y0].first,
                               clamp_int(args.across[crop.x1 - 1].first + 3, 0, args.grid_w),
                               clamp_int(args.down[crop.y1 - 1].first + 3, 0, args.grid_h)};
        }
        args.frame_boxes[at] = moved;
        args.crops[at] = crop;
        args.windows[at] = window;
        args.shown[at] = 0;
    }
    i64 cells, bytes;
    const i64 cells_before = scan_before(area(window), room, &cells);
    const i64 bytes_before = scan_before(area(crop), room, &bytes);
    if (own < kept) {
        args.cell_offset[image * (args.max_det + 1) + own] = cells_before;
        args.mask_offset[image * (args.max_det + 1) + own] = bytes_before;
    }
    if (own == 0) {
        args.cell_offset[image * (args.max_det + 1) + kept] = cells;
        args.mask_offset[image * (args.max_det + 1) + kept] = bytes;
        args.counts[image].cells = cells;
        args.counts[image].mask_bytes = bytes;
        args.counts[image].overflow = cells > args.cells_room || bytes > args.mask_room;
    }
    for (int i = own; i < kept * args.k; i += MOST_KEPT) {
        const int box = i / args.k, number = i % args.k;
        const int anchor = args.anchor_of[image * args.most + args.kept[image * args.max_det + box]];
        const i64 from = (image * args.height + args.height - args.k + number) * args.anchors + anchor;
        args.coefficients[image * args.max_det * args.k + i] =
            args.half ? to_float(static_cast<const Half*>(args.rows)[from]) : static_cast<const float*>(args.rows)[from];
    }
}

struct FinishArgs {
    Counts* counts;
    const Box* frame_boxes;      // (batch, max_det)
    const Rectangle* crops;      // (batch, max_det)
    const u32* shown;            // (batch, max_det)
    const int* kept;             // (batch, max_det)
    const float* scores;         // (batch, most)
    const int* class_of;         // (batch, most)
    int* source;                 // (batch, max_det)
    Box* out_boxes;              // (batch, max_det) from here on: as pipeline.types.Instances has it
    float* out_scores;
    int* out_class_ids;
    Rectangle* out_crops;
    i64* offset;                 // (batch, max_det + 1)
    int most, max_det;
};

// Instances without those whose mask has no pixel. One block for an image.
KERNEL(finish, FinishArgs, MOST_KEPT) {
    __shared__ i64 room[2 * MOST_KEPT];
    const i64 image = blockIdx.y;
    const int own = threadIdx.x;
    const Counts counts = args.counts[image];
    const i64 at = image * args.max_det + own;
    const bool stays = own < counts.kept && !counts.overflow && args.shown[at];
    i64 instances, bytes;
    const i64 place = scan_before(stays, room, &instances);
    const i64 begin = scan_before(stays ? area(args.crops[at]) : 0, room, &bytes);
    if (stays) {
        const i64 to = image * args.max_det + place, from = image * args.most + args.kept[at];
        args.source[to] = own;
        args.out_boxes[to] = args.frame_boxes[at];
        args.out_scores[to] = args.scores[from];
        args.out_class_ids[to] = args.class_of[from];
        args.out_crops[to] = args.crops[at];
        args.offset[image * (args.max_det + 1) + place] = begin;
    }
    if (own == 0) {
        args.offset[image * (args.max_det + 1) + instances] = bytes;
        args.counts[image].instances = (int)instances;
    }
}
