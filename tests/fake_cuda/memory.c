/* Allocations with guards around them, and copies. Fresh and dead device memory is full of 0xCD.
 *
 * Memory ends where a page does that nobody may touch, up to 256 bytes, and an address is given once: who reads behind
 * it, or after its death, ends the process. So does the host where it touches device memory: that is open only while
 * the device works.
 */
#include "fake_cuda.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, GUARD = 256, ROT = 0xCD, FENCE = 0xFD };

static size_t up(size_t size, size_t to) { return (size + to - 1) / to * to; }
static size_t pages_of(const Object *object) { return up(object->size, PAGE); }
static unsigned char *first_page(const Object *object) {
    return (unsigned char *)object->at - (pages_of(object) - up(object->size, GUARD));
}

static void open_to(Object *object, int rights) {
    if (mprotect(first_page(object), pages_of(object), rights)) abort();
}

static int works; /* how deep the device is in its work */

void device_begins(void) {
    if (works++) return;
    for (Object *object = objects; object; object = object->next)
        if (object->kind == MEMORY && object->alive) open_to(object, PROT_READ | PROT_WRITE);
}

void device_ends(void) {
    if (--works) return;
    for (Object *object = objects; object; object = object->next)
        if (object->kind == MEMORY && object->alive) open_to(object, PROT_NONE);
}

static Object *reserve(Kind kind, size_t size) {
    unsigned char *pages = mmap(NULL, up(size, PAGE) + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) return NULL;
    Object *object = born(kind, pages + up(size, PAGE) - up(size, GUARD), size, NULL);
    open_to(object, PROT_READ | PROT_WRITE);
    memset(pages, FENCE, up(size, PAGE));
    memset(object->at, ROT, size);
    if (kind == MEMORY && !works) open_to(object, PROT_NONE);
    return object;
}

static bool is_whole(const unsigned char *from, const unsigned char *to) {
    while (from < to && *from == FENCE) from++;
    return from == to;
}

void free_memory(Object *object) {
    unsigned char *first = first_page(object), *memory = object->at, *behind = memory + object->size;
    open_to(object, PROT_READ | PROT_WRITE);
    if (!is_whole(behind, first + pages_of(object)) || !is_whole(first, memory))
        violation("something wrote beside a %s of %zu bytes", object->kind == MEMORY ? "buffer" : "pinned buffer",
                  object->size);
    madvise(first, pages_of(object), MADV_DONTNEED);
    open_to(object, PROT_NONE);
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
    Op op = {.kind = COPY, .to = to, .from = from, .size = size, .is_from_ours = late || down, .is_to_ours = late || up};
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
