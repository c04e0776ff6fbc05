/* A CUDA driver in host memory, for tests: device pointers are host pointers, streams are queues that run late.
 *
 * driver.c   start, devices, the primary context, looking up functions
 * ledger.c   what is alive, what was done wrong, calls that fail when told to, the report
 * memory.c   allocations with guards around them, which the host cannot touch where they are the device's; copies
 * stream.c   streams, events, host functions
 * graph.c    what is captured, and graphs of it
 * module.c   kernels: functions of a shared library of the host
 *
 * Work in a stream runs as late as the rules allow: when somebody waits for it, or for something behind it. So what
 * is read too early, or overwritten too early, is wrong in every test and not one time in a thousand. With
 * FAKE_CUDA_EAGER=1 it runs as early as possible, for the opposite mistakes. Environment:
 *
 * FAKE_CUDA_FAIL     calls that fail: `name:nth[+][:code]`, with commas between; `*` counts every call, `+` means
 *                    from then on. After a code that ends a context every call on it fails, as on a real GPU.
 * FAKE_CUDA_REPORT   a file for the report, written when the process ends
 * FAKE_CUDA_DEVICES, FAKE_CUDA_MEMORY (bytes), FAKE_CUDA_CC (such as 8.6), FAKE_CUDA_NAME
 */
#ifndef FAKE_CUDA_H
#define FAKE_CUDA_H
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int Status; /* CUresult */
enum {
    OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101,
    INVALID_IMAGE = 200, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500, NOT_READY = 600,
    ILLEGAL_ADDRESS = 700, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901, CAPTURE_WRONG_THREAD = 908
};

/* What a call needs, besides its arguments. */
enum {
    INIT = 1, CONTEXT = 2,
    NOT_WHILE_CAPTURING = 4,    /* in the thread that captures */
    NOT_WHILE_ANY_CAPTURES = 8  /* in no thread: it waits for the stream that is captured as well */
};
Status enter(const char *call, int needs);
void hold(int *held);
void let_go(int *held);
#define CALL(name, needs)                                                                                             \
    int held __attribute__((cleanup(let_go)));                                                                        \
    hold(&held);                                                                                                      \
    Status entered = enter(name, needs);                                                                              \
    if (entered) return entered

typedef enum { MEMORY, PINNED, STREAM, EVENT, GRAPH, EXEC, MODULE, KINDS } Kind;
typedef struct Object { /* every handle points to one; they stay readable after their death */
    Kind kind;
    bool alive;
    void *at;    /* MEMORY, PINNED: the first byte */
    size_t size; /* of it */
    void *of;    /* what else the kind needs */
    struct Object *next;
} Object;
Object *born(Kind kind, void *at, size_t size, void *of);
Status dies(Object *object); /* counts what died twice */
Object *living(const void *handle, Kind kind);
Object *memory_at(const void *address, size_t size); /* MEMORY or PINNED around those bytes, or NULL */
extern Object *objects;
void violation(const char *format, ...);
extern Status lost; /* what every call answers once the context is broken */
void context_gone(void); /* the primary context was released for the last time */
extern bool is_initialised, is_eager;
bool has_context(void);
void forget_contexts(void);

/* Streams. */
typedef struct Op {
    enum { COPY, FILL, KERNEL, HOST, RECORD, WAIT, REPLAY } kind;
    void *to;
    const void *from;
    size_t size; /* bytes; KERNEL: how many arguments */
    int byte;
    unsigned turn; /* RECORD, WAIT: of the event */
    void (*function)(void **, unsigned *, unsigned *);
    void (*host)(void *);
    unsigned grid[3], block[3];
    void *staged; /* what `from` was, or a kernel's arguments */
    bool is_from_ours, is_to_ours; /* COPY: memory that must live when it runs */
    Object *object; /* the event, or the graph */
    struct Op *next;
} Op;
typedef struct { Op *first, **last; } Queue;
typedef struct { Queue work, captured; bool is_capturing, is_broken; pthread_t by; } Stream;
void append(Queue *queue, Op op);
Status put(void *stream, Op op); /* into the queue, or into what is captured */
bool is_capturing(void *stream);
bool captures_here(void); /* in this thread */
void run_everything(void);
void free_memory(Object *object); /* checks the guards */
void device_begins(void); /* device memory can be touched from here */
void device_ends(void);
void break_captures(bool everywhere); /* else in this thread */
Status run(const Op *op);
#endif
