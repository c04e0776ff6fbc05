/* What is alive, what was done wrong, which calls fail. */
#include "fake_cuda.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NAMES = 128, MOST_VIOLATIONS = 64 };
static const char *kinds[KINDS] = {"memory", "pinned", "stream", "event", "graph", "graph exec", "module"};
static struct { char name[48]; unsigned calls; } counts[MOST_NAMES];
static char violations[MOST_VIOLATIONS][160];
static unsigned names, wrongs, all_calls;
static char failing[512];
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
Object *objects;
Status lost;
bool is_eager;

void hold(int *held) { *held = pthread_mutex_lock(&lock) == 0; }
void let_go(int *held) { if (*held) pthread_mutex_unlock(&lock); }

void violation(const char *format, ...) {
    if (wrongs == MOST_VIOLATIONS) return;
    va_list args;
    va_start(args, format);
    vsnprintf(violations[wrongs++], sizeof violations[0], format, args);
    va_end(args);
}

static unsigned count(const char *call) {
    unsigned i = 0;
    while (i < names && strcmp(counts[i].name, call)) i++;
    if (i == names) {
        if (names == MOST_NAMES) abort();
        counts[names].calls = 0;
        snprintf(counts[names++].name, sizeof counts[0].name, "%s", call);
    }
    all_calls++;
    return ++counts[i].calls;
}

static Status told_to_fail(const char *call, unsigned nth) {
    char copy[sizeof failing], *rest = copy;
    strcpy(copy, failing);
    for (char *one; (one = strsep(&rest, ","));) {
        char *name = strsep(&one, ":"), *which = strsep(&one, ":");
        if (!which) continue;
        unsigned number = strcmp(name, "*") ? nth : all_calls, wanted = (unsigned)strtoul(which, &which, 10);
        if ((!strcmp(name, "*") || !strcmp(name, call)) && (*which == '+' ? number >= wanted : number == wanted))
            return one ? atoi(one) : INVALID_VALUE;
    }
    return OK;
}

static bool ends_the_context(Status status) {
    return status == 214 || status == 999 || status == 46 || (status >= 700 && status <= 721 && status != 701);
}

Status enter(const char *call, int needs) {
    Status status = told_to_fail(call, count(call));
    if (ends_the_context(status)) lost = status;
    if (needs & CONTEXT && lost) return lost;
    if (status) return status;
    if (needs & INIT && !is_initialised) return NOT_INITIALIZED;
    if (needs & CONTEXT && !has_context()) {
        violation("%s without a current context", call);
        return INVALID_CONTEXT;
    }
    bool everywhere = needs & NOT_WHILE_ANY_CAPTURES;
    if ((everywhere && is_capturing(NULL)) || (needs & NOT_WHILE_CAPTURING && captures_here())) {
        violation("%s while a stream is captured", call);
        break_captures(everywhere);
        return CAPTURE_UNSUPPORTED;
    }
    return OK;
}

Object *born(Kind kind, void *at, size_t size, void *of) {
    Object *object = calloc(1, sizeof *object);
    *object = (Object){kind, true, at, size, of, objects};
    return objects = object;
}

Status dies(Object *object) {
    object->alive = false;
    return OK;
}

Object *living(const void *handle, Kind kind) {
    for (Object *object = objects; object; object = object->next)
        if (object->kind == kind && (object == handle || (kind <= PINNED && object->at == handle && object->alive))) {
            if (object->alive) return object;
            break;
        }
    violation("a %s was used or freed that does not live", kinds[kind]);
    return NULL;
}

Object *memory_at(const void *address, size_t size) {
    const char *first = address;
    for (Object *object = objects; object; object = object->next)
        if (object->kind <= PINNED && object->alive && first >= (char *)object->at
            && first + size <= (char *)object->at + object->size)
            return object;
    return NULL;
}

void context_gone(void) { /* of a context that was lost nothing can be freed, and all of it goes now */
    for (Object *object = objects; object; object = object->next)
        if (object->alive) {
            if (!lost) violation("a %s of %zu bytes was alive when the context was released", kinds[object->kind], object->size);
            if (object->kind <= PINNED) free_memory(object);
            dies(object);
        }
    lost = OK;
}

/* Fail from now on as told (FAKE_CUDA_FAIL), counting from here. */
void fake_cuda_fail(const char *fail) {
    names = all_calls = 0;
    snprintf(failing, sizeof failing, "%s", fail ? fail : "");
}

/* Forget all that was, and fail as told. */
void fake_cuda_reset(const char *fail) {
    run_everything();
    for (Object *object = objects; object; object = object->next) {
        if (object->alive && object->kind <= PINNED) free_memory(object);
        dies(object);
    }
    lost = OK;
    wrongs = 0;
    forget_contexts();
    is_eager = getenv("FAKE_CUDA_EAGER") != NULL;
    fake_cuda_fail(fail);
}

/* JSON: what was called how often, what lives, what was done wrong. */
int fake_cuda_report(char *text, int room) {
    int used = snprintf(text, (size_t)room, "{\"calls\": {");
#define SAY(...) used += snprintf(text + used, (size_t)(room > used ? room - used : 0), __VA_ARGS__)
    for (unsigned i = 0; i < names; i++) SAY("%s\"%s\": %u", i ? ", " : "", counts[i].name, counts[i].calls);
    SAY("}, \"alive\": {");
    for (int kind = 0, any = 0; kind < KINDS; kind++) {
        int alive = 0;
        for (Object *object = objects; object; object = object->next) alive += object->alive && object->kind == (Kind)kind;
        if (alive) SAY("%s\"%s\": %d", any++ ? ", " : "", kinds[kind], alive);
    }
    SAY("}, \"current\": %s, \"violations\": [", has_context() ? "true" : "false");
    for (unsigned i = 0; i < wrongs; i++) SAY("%s\"%s\"", i ? ", " : "", violations[i]);
    SAY("]}");
    return used;
}

__attribute__((constructor)) static void begin(void) { fake_cuda_reset(getenv("FAKE_CUDA_FAIL")); }

__attribute__((destructor)) static void end(void) {
    static char text[16384];
    const char *path = getenv("FAKE_CUDA_REPORT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fake_cuda_report(text, sizeof text);
    fprintf(file, "%s\n", text);
    fclose(file);
}
