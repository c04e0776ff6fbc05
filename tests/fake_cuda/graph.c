/* What is captured, and graphs of it. */
#include "fake_cuda.h"

#include <stdlib.h>

bool is_capturing(void *handle) { /* NULL: any stream */
    for (Object *object = objects; object; object = object->next)
        if (object->kind == STREAM && object->alive && (!handle || object == handle) && ((Stream *)object->of)->is_capturing)
            return true;
    return false;
}

static bool is_ours(const Object *object) {
    const Stream *stream = object->of;
    return object->kind == STREAM && object->alive && stream->is_capturing && pthread_equal(stream->by, pthread_self());
}

bool captures_here(void) {
    for (Object *object = objects; object; object = object->next)
        if (is_ours(object)) return true;
    return false;
}

void break_captures(bool everywhere) {
    for (Object *object = objects; object; object = object->next)
        if (everywhere ? object->kind == STREAM && object->alive : is_ours(object)) ((Stream *)object->of)->is_broken = true;
}

Status cuStreamIsCapturing(void *handle, int *status) {
    CALL("cuStreamIsCapturing", CONTEXT);
    Object *object = living(handle, STREAM);
    if (!object) return INVALID_HANDLE;
    Stream *stream = object->of;
    *status = stream->is_capturing ? stream->is_broken ? 2 : 1 : 0;
    return OK;
}

Status cuStreamBeginCapture_v2(void *handle, int mode) {
    CALL("cuStreamBeginCapture", CONTEXT);
    (void)mode;
    Object *object = living(handle, STREAM);
    if (!object) return INVALID_HANDLE;
    Stream *stream = object->of;
    if (stream->is_capturing) return INVALID_VALUE;
    stream->by = pthread_self();
    stream->is_capturing = true, stream->is_broken = false, stream->captured = (Queue){0};
    return OK;
}

Status cuStreamEndCapture(void *handle, void **graph) {
    Object *object = living(handle, STREAM);
    if (!object || !((Stream *)object->of)->is_capturing) return INVALID_VALUE;
    Stream *stream = object->of;
    if (!pthread_equal(stream->by, pthread_self())) return CAPTURE_WRONG_THREAD;
    stream->is_capturing = false; /* also where it fails */
    *graph = NULL;
    CALL("cuStreamEndCapture", CONTEXT);
    if (stream->is_broken) return CAPTURE_INVALIDATED;
    Queue *work = malloc(sizeof *work);
    *work = stream->captured;
    *graph = born(GRAPH, NULL, 0, work);
    return OK;
}

Status cuGraphInstantiateWithFlags(void **handle, void *graph, uint64_t flags) {
    CALL("cuGraphInstantiate", CONTEXT);
    (void)flags;
    Object *object = living(graph, GRAPH);
    if (!object) return INVALID_HANDLE;
    *handle = born(EXEC, NULL, 0, object->of); /* what was captured is never freed, so both may point to it */
    return OK;
}

Status cuGraphDestroy(void *handle) {
    CALL("cuGraphDestroy", CONTEXT);
    Object *object = living(handle, GRAPH);
    return object ? dies(object) : INVALID_HANDLE;
}

Status cuGraphExecDestroy(void *handle) {
    CALL("cuGraphExecDestroy", CONTEXT);
    Object *object = living(handle, EXEC);
    return object ? dies(object) : INVALID_HANDLE;
}

Status cuGraphLaunch(void *handle, void *stream) {
    CALL("cuGraphLaunch", CONTEXT);
    Object *object = living(handle, EXEC);
    if (!object) return INVALID_HANDLE;
    return put(stream, (Op){.kind = REPLAY, .object = object});
}
