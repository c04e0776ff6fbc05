// Kernels with the mistakes that the emulator has to find, each beside a right one.
#include "kernel.cuh"

struct TurnArgs {
    const int* from;
    int* to;
};

// Each block of 64 turns its numbers round.
KERNEL(turn_without_barrier, TurnArgs, 64) {
    __shared__ int room[64];
    const int base = blockIdx.x * 64, own = threadIdx.x;
    room[own] = args.from[base + own];
    args.to[base + own] = room[63 - own];
}

KERNEL(turn_with_barrier, TurnArgs, 64) {
    __shared__ int room[64];
    const int base = blockIdx.x * 64, own = threadIdx.x;
    room[own] = args.from[base + own];
    __syncthreads();
    args.to[base + own] = room[63 - own];
}

// Half of the threads leave before a barrier.
KERNEL(half_a_barrier, TurnArgs, 64) {
    if (threadIdx.x < 32) return;
    __syncthreads();
    args.to[blockIdx.x * 64 + threadIdx.x] = 0;
}

// Takes for granted that block 0 comes before block 1.
KERNEL(one_block_after_the_other, TurnArgs, 64) {
    const int own = threadIdx.x;
    if (blockIdx.x == 0) args.to[own] = args.from[own];
    if (blockIdx.x == 1) args.to[64 + own] = args.to[own] + 1;
}

// One number too many.
KERNEL(beside_the_buffer, TurnArgs, 64) { args.to[blockIdx.x * 64 + threadIdx.x + 1] = 1; }

// A number may be lost: the sum is read before a thread that is in between adds to it.
KERNEL(sum_in_two_steps, TurnArgs, 64) {
    const int before = atomicAdd(args.to, 0);
    atomicOr(args.to + 1, 0);
    args.to[0] = before + args.from[threadIdx.x];
}

KERNEL(sum_by_atomics, TurnArgs, 64) { atomicAdd(args.to, args.from[threadIdx.x]); }
