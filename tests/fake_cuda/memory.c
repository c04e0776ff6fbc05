/* Allocations with guards behind them, and copies. Fresh and dead device memory is full of 0xCD. */
#include "fake_cuda.h"

#include <stdlib.h>
#include <string.h>

enum { GUARD = 256, ROT = 0xCD, FENCE = 0xFD };

static Object *reserve(Kind kind, size_t size) {
    size_t room = (size + GUARD - 1) / GUARD * GUARD;
    unsigned char *memory = aligned_alloc(GUARD, room + GUARD);
    if (!memory) return NULL;
    memset(memory, ROT, size);
    memset(memory + size, FENCE, room + GUARD - size);
    return born(kind, memory, size, NULL);
}

void free_memory(Object *object) {
    unsigned char *memory = object->at;
    for (size_t i = 0; i < GUARD; i++)
        if (memory[object->size + i] != FENCE) {
            violation("something wrote behind a %s of %zu bytes", object->kind == MEMORY ? "buffer" : "pinned buffer",
                      object->size);
            break;
        }
    memset(memory, ROT, object->size);
    free(memory);
}

static Status release(const void *address, Kind kind) {
    Object *object = living(address, kind);
    if (!object) return INVALID_VALUE;
    run_everything(); /* freeing waits for the device */
    free_memory(object);
    return dies(object);
}

static size_t total(void) { return getenv("FAKE_CUDA_MEMORY") ? strtoull(getenv("FAKE_CUDA_MEMORY"), NULL, 10) : 1 << 30; }

static size_t used(void) {
    size_t sum = 0;
    for (Object *object = objects; object; object = object->next)
        if (object->alive && object->kind == MEMORY) sum += object->size;
    return sum;
}

Status cuMemGetInfo_v2(size_t *left, size_t *all) {
    CALL("cuMemGetInfo", CONTEXT);
    *all = total();
    *left = *all - used();
    return OK;
}

Status cuMemAlloc_v2(void **pointer, size_t size) {
    CALL("cuMemAlloc", CONTEXT | NOT_WHILE_CAPTURING);
    if (size == 0) return INVALID_VALUE;
    if (size > total() - used()) return OUT_OF_MEMORY;
    Object *object = reserve(MEMORY, size);
    if (!object) return OUT_OF_MEMORY;
    *pointer = object->at;
    return OK;
}

Status cuMemFree_v2(void *pointer) {
    CALL("cuMemFree", CONTEXT | NOT_WHILE_CAPTURING);
    return release(pointer, MEMORY);
}

Status cuMemHostAlloc(void **pointer, size_t size, unsigned flags) {
    CALL("cuMemHostAlloc", CONTEXT | NOT_WHILE_CAPTURING);
    (void)flags;
    if (size == 0) return INVALID_VALUE;
    Object *object = reserve(PINNED, size);
    if (!object) return OUT_OF_MEMORY;
    *pointer = object->at;
    return OK;
}

Status cuMemFreeHost(void *pointer) {
    CALL("cuMemFreeHost", CONTEXT | NOT_WHILE_CAPTURING);
    return release(pointer, PINNED);
}

/* One side is on the device; the other one is pinned, or of the host, which makes the copy wait. */
static Status copy(void *to, const void *from, size_t size, void *stream, bool up, bool down) {
    const void *host = up ? from : to;
    if ((!up && !memory_at(from, size)) || (!down && !memory_at(to, size))) {
        violation("a copy of %zu bytes leaves its buffer", size);
        return INVALID_VALUE;
    }
    bool late = !(up || down) || memory_at(host, size);
    if (!late && is_capturing(stream)) violation("a copy of memory that is not pinned is captured");
    Op op = {.kind = COPY, .to = to, .from = from, .size = size};
    if (!late && up) { /* taken over before the call returns */
        op.staged = malloc(size);
        op.from = memcpy(op.staged, from, size);
    }
    Status status = put(stream, op);
    if (!status && !late && down && !is_capturing(stream)) run_everything();
    return status ? status : lost;
}

Status cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t size, void *stream) {
    CALL("cuMemcpyHtoDAsync", CONTEXT);
    return copy(to, from, size, stream, true, false);
}

Status cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t size, void *stream) {
    CALL("cuMemcpyDtoHAsync", CONTEXT);
    return copy(to, from, size, stream, false, true);
}

Status cuMemcpyDtoDAsync_v2(void *to, const void *from, size_t size, void *stream) {
    CALL("cuMemcpyDtoDAsync", CONTEXT);
    return copy(to, from, size, stream, false, false);
}

Status cuMemsetD8Async(void *to, unsigned char byte, size_t size, void *stream) {
    CALL("cuMemsetD8Async", CONTEXT);
    if (!memory_at(to, size)) {
        violation("a fill of %zu bytes leaves its buffer", size);
        return INVALID_VALUE;
    }
    return put(stream, (Op){.kind = FILL, .to = to, .size = size, .byte = byte});
}
