// CUDA's words for g++: put in front of a .cu file with -include, it makes every KERNEL a host function
//
//     extern "C" void name(void** args, const unsigned grid[3], const unsigned block[3])
//
// that takes what cuLaunchKernel takes and returns when all threads are done, and beside it the sizes of its parameters
// in bytes, `name_params`. Blocks run in shuffled order, and so do the threads of a block between two barriers; shared
// memory begins with rubbish in every block.
#pragma once

struct Index {
    unsigned x, y, z;
};

extern Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {
void run(const char* name, void (*thread)(const void* args), const void* args, const unsigned grid[3],
         const unsigned block[3], unsigned most_threads);
void barrier();
void give_way();
}  // namespace emulator

#define __device__
#define __shared__ static __attribute__((section("emulated_shared")))
#define __syncthreads() emulator::barrier()

#define KERNEL(name, Args, threads)                                                             \
    static void name##_thread(const Args& args);                                                \
    extern "C" const unsigned name##_params[] = {sizeof(Args), 0};                              \
    extern "C" void name(void** pointers, const unsigned grid[3], const unsigned block[3]) {    \
        const auto thread = [](const void* args) { name##_thread(*static_cast<const Args*>(args)); }; \
        emulator::run(#name, thread, pointers[0], grid, block, threads);                        \
    }                                                                                           \
    static void name##_thread(const Args& args)

// One host thread runs them all, so an atomic operation only has to give way to other threads before it.
template <typename Number>
Number atomicAdd(Number* at, Number value) {
    emulator::give_way();
    const Number before = *at;
    *at += value;
    return before;
}

template <typename Number>
Number atomicOr(Number* at, Number value) {
    emulator::give_way();
    const Number before = *at;
    *at |= value;
    return before;
}

inline int __ffs(int value) { return __builtin_ffs(value); }
