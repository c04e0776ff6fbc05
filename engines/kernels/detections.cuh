// What suppression and masks share. One image of a batch per blockIdx.y; arrays are (batch, ...), one behind the other.
#pragma once
#include "kernel.cuh"

struct alignas(16) Box {
    float x0, y0, x1, y1;
};

struct alignas(16) Rectangle {
    int x0, y0, x1, y1;
};

struct Counts {       // of one image
    int candidates;   // above the threshold
    int kept;         // by suppression
    int instances;    // with a mask of at least one pixel
    int overflow;     // 1: the masks need more room than there is, and none was made
    i64 cells;        // of prototypes under all kept boxes
    i64 mask_bytes;   // of all crops, also of masks without a pixel
};

struct alignas(16) AxisTap {  // where a row or column of pixels lies between rows or columns of prototype cells
    int first;
    float weight[3];  // of first, first + 1, first + 2
};
