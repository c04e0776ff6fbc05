// Runs the threads of a block as fibres of one host thread; see emulator.h.
#include "emulator.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <vector>

Index threadIdx, blockIdx, blockDim, gridDim;

// Where the linker put the shared memory of all kernels.
extern char __start_emulated_shared[] __attribute__((weak));
extern char __stop_emulated_shared[] __attribute__((weak));

namespace emulator {
namespace {

constexpr size_t STACK = 128 << 10;

enum class State { ready, at_barrier, done };

struct Fibre {
    ucontext_t context;
    void* stack;
};

std::mutex one_launch;  // shared memory is there once
std::mt19937 random_numbers;
std::string error;
std::vector<Fibre*> pool;

// Of the block that runs.
void (*body)(const void*);
const void* body_args;
ucontext_t scheduler;
std::vector<unsigned> order;    // threads, shuffled
size_t next_thread;             // place in `order` of the next one that has not begun
std::vector<State> states;      // by thread
std::vector<Fibre*> fibre_of;   // by thread, where it has stopped inside
unsigned current;
Fibre* current_fibre;

void enter(unsigned thread) {
    current = thread;
    threadIdx = {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / blockDim.x / blockDim.y};
}

// A fibre runs thread after thread to its end; where one has to stop, the fibre stays with it.
void work() {
    while (true) {
        while (next_thread < order.size()) {
            const unsigned thread = order[next_thread++];
            enter(thread);
            body(body_args);
            states[current] = State::done;
            if (fibre_of[current]) {  // it had stopped: others were begun meanwhile
                fibre_of[current] = nullptr;
                break;
            }
        }
        pool.push_back(current_fibre);
        swapcontext(&current_fibre->context, &scheduler);
    }
}

Fibre* take_fibre() {
    if (pool.empty()) {
        auto* fibre = new Fibre;
        fibre->stack =
            mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (fibre->stack == MAP_FAILED) abort();
        pool.push_back(fibre);
        getcontext(&fibre->context);
        fibre->context.uc_stack.ss_sp = fibre->stack;
        fibre->context.uc_stack.ss_size = STACK;
        fibre->context.uc_link = nullptr;
        makecontext(&fibre->context, work, 0);
    }
    Fibre* fibre = pool.back();
    pool.pop_back();
    return fibre;
}

void resume(Fibre* fibre) {
    current_fibre = fibre;
    swapcontext(&scheduler, &fibre->context);
}

void stop(State state) {
    Fibre* own = current_fibre;
    const unsigned thread = current;
    states[thread] = state;
    fibre_of[thread] = own;
    swapcontext(&own->context, &scheduler);
    enter(thread);
}

// false: some threads wait at a barrier that others never reach.
bool run_block() {
    const size_t threads = order.size();
    std::shuffle(order.begin(), order.end(), random_numbers);
    states.assign(threads, State::ready);
    fibre_of.assign(threads, nullptr);
    next_thread = 0;
    std::vector<unsigned> stopped;
    while (true) {
        while (next_thread < threads) resume(take_fibre());
        stopped.clear();
        bool ready = false;
        for (unsigned thread = 0; thread < threads; ++thread) {
            if (fibre_of[thread]) stopped.push_back(thread);
            ready = ready || (fibre_of[thread] && states[thread] == State::ready);
        }
        if (stopped.empty()) return true;
        if (!ready) {
            if (stopped.size() != threads) return false;
            for (unsigned thread : stopped) states[thread] = State::ready;
        }
        std::shuffle(stopped.begin(), stopped.end(), random_numbers);
        for (unsigned thread : stopped) {
            if (states[thread] == State::ready) resume(fibre_of[thread]);
        }
    }
}

}  // namespace

void barrier() { stop(State::at_barrier); }

void give_way() {
    if (random_numbers() % 8 == 0) stop(State::ready);
}

void run(const char* name, void (*thread)(const void* args), const void* args, const unsigned grid[3],
         const unsigned block[3], unsigned most_threads) {
    const std::lock_guard<std::mutex> only(one_launch);
    const size_t threads = size_t(block[0]) * block[1] * block[2], blocks = size_t(grid[0]) * grid[1] * grid[2];
    if (!threads || !blocks || threads > most_threads || grid[1] > 65535 || grid[2] > 65535 || block[2] > 64) {
        error = std::string(name) + ": a launch of " + std::to_string(blocks) + " blocks of " +
                std::to_string(threads) + " threads, at most " + std::to_string(most_threads) + " are possible";
        return;
    }
    body = thread;
    body_args = args;
    blockDim = {block[0], block[1], block[2]};
    gridDim = {grid[0], grid[1], grid[2]};
    order.resize(threads);
    for (size_t i = 0; i < threads; ++i) order[i] = unsigned(i);
    std::vector<size_t> block_order(blocks);
    for (size_t i = 0; i < blocks; ++i) block_order[i] = i;
    std::shuffle(block_order.begin(), block_order.end(), random_numbers);
    for (size_t number : block_order) {
        blockIdx = {unsigned(number % grid[0]), unsigned(number / grid[0] % grid[1]),
                    unsigned(number / grid[0] / grid[1])};
        if (__start_emulated_shared) {
            memset(__start_emulated_shared, int(random_numbers() & 255),
                   size_t(__stop_emulated_shared - __start_emulated_shared));
        }
        if (!run_block()) {
            error = std::string(name) + ": some threads of a block wait at a barrier that others do not reach";
            return;  // the fibres that wait are left as they are
        }
    }
}

}  // namespace emulator

// Begin anew with a seed; launches that follow are shuffled by it.
extern "C" void emulator_seed(unsigned seed) { emulator::random_numbers.seed(seed); }

// What went wrong in a launch since the last call, or null.
extern "C" const char* emulator_error() {
    static std::string told;
    told.swap(emulator::error);
    emulator::error.clear();
    return told.empty() ? nullptr : told.c_str();
}
