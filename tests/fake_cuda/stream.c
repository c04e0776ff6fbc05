/* Streams, events, host functions. */
#include "fake_cuda.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct { unsigned recorded, done; Object *stream; double at_ms; bool is_timed; } Event;

void append(Queue *queue, Op op) {
    Op *copy = malloc(sizeof *copy);
    *copy = op;
    copy->next = NULL;
    if (!queue->first) queue->last = &queue->first;
    *queue->last = copy;
    queue->last = &copy->next;
}

static void drop(Op *op) {
    free(op->staged);
    free(op);
}

static void advance(Object *object) { /* run the first thing in a stream */
    Stream *stream = object->of;
    Op *op = stream->work.first;
    if (op->kind == WAIT) { /* what was recorded in another stream runs first */
        Event *event = op->object->of;
        while (event->done < op->turn && event->stream != object) advance(event->stream);
    }
    stream->work.first = op->next;
    device_begins();
    if (!lost) lost = run(op);
    device_ends();
    if (op->kind == RECORD) ((Event *)op->object->of)->done = op->turn;
    drop(op);
}

static void finish(Object *object) {
    if (!((Stream *)object->of)->work.first) return;
    device_begins(); /* once for all of it */
    while (((Stream *)object->of)->work.first) advance(object);
    device_ends();
}

void run_everything(void) {
    for (Object *object = objects; object; object = object->next)
        if (object->kind == STREAM && object->alive) finish(object);
}

static bool all_inside(const void *address, size_t size) { return memory_at(address, size) != NULL; }

Status run(const Op *op) {
    struct timespec now;
    switch (op->kind) {
    case COPY:
        if ((op->is_from_ours && !all_inside(op->from, op->size)) || (op->is_to_ours && !all_inside(op->to, op->size))) {
            violation("a copy of %zu bytes ran when its memory was freed", op->size);
            return ILLEGAL_ADDRESS;
        }
        memcpy(op->to, op->from, op->size);
        return OK;
    case FILL:
        if (!all_inside(op->to, op->size)) {
            violation("a fill of %zu bytes ran when its memory was freed", op->size);
            return ILLEGAL_ADDRESS;
        }
        memset(op->to, op->byte, op->size);
        return OK;
    case KERNEL:
        op->function(op->staged, (unsigned *)op->grid, (unsigned *)op->block);
        return OK;
    case HOST:
        op->host(op->to);
        return OK;
    case RECORD:
        clock_gettime(CLOCK_MONOTONIC, &now);
        ((Event *)op->object->of)->at_ms = (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
        return OK;
    case WAIT:
        return OK;
    case REPLAY:
        for (const Op *one = ((Queue *)op->object->of)->first; one; one = one->next) {
            Status status = run(one);
            if (status) return status;
        }
        return OK;
    }
    return INVALID_VALUE;
}

Status put(void *handle, Op op) {
    Object *object = living(handle, STREAM);
    if (!object) return INVALID_HANDLE;
    Stream *stream = object->of;
    if (stream->is_capturing) {
        if (stream->is_broken) return CAPTURE_INVALIDATED;
        if (op.kind == RECORD || op.kind == WAIT) violation("an event is captured, which this driver cannot");
        else append(&stream->captured, op);
        return OK;
    }
    append(&stream->work, op);
    if (is_eager) finish(object);
    return lost;
}

Status cuStreamCreate(void **handle, unsigned flags) {
    CALL("cuStreamCreate", CONTEXT);
    (void)flags;
    *handle = born(STREAM, NULL, 0, calloc(1, sizeof(Stream)));
    return OK;
}

Status cuStreamDestroy_v2(void *handle) {
    CALL("cuStreamDestroy", CONTEXT);
    Object *object = living(handle, STREAM);
    if (!object) return INVALID_HANDLE;
    finish(object);
    return dies(object);
}

Status cuStreamSynchronize(void *handle) {
    CALL("cuStreamSynchronize", CONTEXT | NOT_WHILE_CAPTURING);
    Object *object = living(handle, STREAM);
    if (!object) return INVALID_HANDLE;
    if (((Stream *)object->of)->is_capturing) { /* by another thread */
        violation("a stream is waited for that is captured");
        ((Stream *)object->of)->is_broken = true;
        return CAPTURE_UNSUPPORTED;
    }
    finish(object);
    return lost;
}

Status cuStreamQuery(void *handle) {
    CALL("cuStreamQuery", CONTEXT | NOT_WHILE_CAPTURING);
    Object *object = living(handle, STREAM);
    if (!object) return INVALID_HANDLE;
    return lost ? lost : ((Stream *)object->of)->work.first ? NOT_READY : OK;
}

Status cuStreamWaitEvent(void *handle, void *mark, unsigned flags) {
    CALL("cuStreamWaitEvent", CONTEXT);
    (void)flags;
    Object *event = living(mark, EVENT);
    if (!event) return INVALID_HANDLE;
    return put(handle, (Op){.kind = WAIT, .object = event, .turn = ((Event *)event->of)->recorded});
}

Status cuEventCreate(void **handle, unsigned flags) {
    CALL("cuEventCreate", CONTEXT);
    Event *event = calloc(1, sizeof *event);
    event->is_timed = !(flags & 2); /* DISABLE_TIMING */
    *handle = born(EVENT, NULL, 0, event);
    return OK;
}

Status cuEventDestroy_v2(void *handle) {
    CALL("cuEventDestroy", CONTEXT);
    Object *object = living(handle, EVENT);
    return object ? dies(object) : INVALID_HANDLE;
}

Status cuEventRecord(void *handle, void *stream) {
    CALL("cuEventRecord", CONTEXT);
    Object *object = living(handle, EVENT), *in = living(stream, STREAM);
    if (!object || !in) return INVALID_HANDLE;
    Event *event = object->of;
    event->stream = in;
    return put(stream, (Op){.kind = RECORD, .object = object, .turn = ++event->recorded});
}

Status cuEventSynchronize(void *handle) {
    CALL("cuEventSynchronize", CONTEXT | NOT_WHILE_CAPTURING);
    Object *object = living(handle, EVENT);
    if (!object) return INVALID_HANDLE;
    Event *event = object->of;
    while (event->done < event->recorded) advance(event->stream);
    return lost;
}

Status cuEventQuery(void *handle) { /* every question lets one thing happen */
    CALL("cuEventQuery", CONTEXT | NOT_WHILE_CAPTURING);
    Object *object = living(handle, EVENT);
    if (!object) return INVALID_HANDLE;
    Event *event = object->of;
    bool is_done = event->done == event->recorded;
    if (!is_done) advance(event->stream);
    return lost ? lost : is_done ? OK : NOT_READY;
}

Status cuEventElapsedTime_v2(float *elapsed_ms, void *start, void *end) {
    CALL("cuEventElapsedTime", CONTEXT);
    Object *from = living(start, EVENT), *to = living(end, EVENT);
    if (!from || !to) return INVALID_HANDLE;
    Event *first = from->of, *second = to->of;
    if (!first->is_timed || !second->is_timed || !first->recorded || !second->recorded) return INVALID_HANDLE;
    if (first->done < first->recorded || second->done < second->recorded) return NOT_READY;
    *elapsed_ms = (float)(second->at_ms - first->at_ms);
    return OK;
}

Status cuLaunchHostFunc(void *stream, void (*function)(void *), void *argument) {
    CALL("cuLaunchHostFunc", CONTEXT);
    return put(stream, (Op){.kind = HOST, .host = function, .to = argument});
}
