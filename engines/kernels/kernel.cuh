// What every kernel here needs. No other header is included: NVRTC compiles these files without a CUDA toolkit, and
// g++ compiles the same files for the host behind the emulator of the tests, which defines KERNEL itself.
//
// Rules that keep the host, the GPU and the CPU way of dashmask equal bit by bit:
// - compiled with --fmad=false, so that a * b + c rounds twice as it does in NumPy;
// - a kernel has one parameter, a struct called args, laid out alike in C++ and ctypes (see launch.py);
// - no dynamic shared memory, no warp intrinsics; every thread of a block reaches every barrier;
// - counts stay in device memory: grids are as large as the largest case, and threads without work leave.
#pragma once

#ifndef KERNEL
#define KERNEL(name, Args, threads) extern "C" __global__ void __launch_bounds__(threads) name(const Args args)
#endif

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

constexpr int VOID_LABEL = 255;  // a pixel without a class, pipeline.types.VOID
constexpr int THREADS = 256;     // of a block, where nothing else is said
constexpr int MOST_KEPT = 1024;  // objects of an image at most: one block holds and scans them

__device__ inline int clamp_int(int value, int low, int high) {
    return value < low ? low : (value > high ? high : value);
}

// x > limit also where x is not a number; as np.maximum and np.minimum keep it.
__device__ inline float at_least(float value, float low) { return value < low ? low : value; }
__device__ inline float at_most(float value, float high) { return value > high ? high : value; }

union Bits {
    u32 whole;
    float real;
};

__device__ inline u32 bits_of(float value) {
    Bits both;
    both.real = value;
    return both.whole;
}

__device__ inline bool is_finite(float value) { return (bits_of(value) & 0x7f800000u) != 0x7f800000u; }
__device__ inline bool is_nan(float value) { return (bits_of(value) & 0x7fffffffu) > 0x7f800000u; }

// IEEE half to float, exact for every value: subnormal numbers, infinities and NaN too.
struct Half {
    u16 bits;
};

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(Half value) {
    const u32 sign = (u32)(value.bits & 0x8000u) << 16;
    const u32 rest = value.bits & 0x7fffu;
    Bits both;
    both.whole = rest << 13;
    both.real *= 5.192296858534828e33f;  // 2^112: from the bias of a half to that of a float
    if (rest >= 0x7c00u) both.whole = 0x7f800000u | (rest & 0x3ffu) << 13;
    both.whole |= sign;
    return both.real;
}

// The segment i of [0, count) with offset[i] <= index < offset[i + 1]; empty segments are passed over.
__device__ inline int find_segment(const i64* offset, int count, i64 index) {
    int low = 0, high = count - 1;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (index < offset[middle + 1]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

// Sum of the values of all threads before this one, and of all; the block has MOST_KEPT threads, `room` 2 of each.
__device__ inline i64 scan_before(i64 value, i64* room, i64* total) {
    int from = 0;
    room[threadIdx.x] = value;
    __syncthreads();
    for (int step = 1; step < MOST_KEPT; step *= 2) {
        i64 sum = room[from + threadIdx.x];
        if ((int)threadIdx.x >= step) sum += room[from + threadIdx.x - step];
        from = MOST_KEPT - from;
        room[from + threadIdx.x] = sum;
        __syncthreads();
    }
    const i64 before = room[from + threadIdx.x] - value;
    *total = room[from + MOST_KEPT - 1];
    __syncthreads();  // `room` may be used again
    return before;
}
