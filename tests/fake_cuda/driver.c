/* Start, devices, the primary context, looking up functions. */
#include "fake_cuda.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 16 };
bool is_initialised;
static int retained;
static __thread int depth; /* of this thread's stack of contexts; the context itself is always the same */
static int the_context;

static int number(const char *name, int usual) { return getenv(name) ? atoi(getenv(name)) : usual; }
static int devices(void) { return number("FAKE_CUDA_DEVICES", 1); }
bool has_context(void) { return depth > 0 && retained > 0; }
void forget_contexts(void) { depth = retained = 0, is_initialised = false; }

Status cuInit(unsigned flags) {
    CALL("cuInit", 0);
    (void)flags;
    if (devices() == 0) return NO_DEVICE;
    is_initialised = true;
    return OK;
}

Status cuDriverGetVersion(int *version) {
    CALL("cuDriverGetVersion", 0);
    *version = 13000;
    return OK;
}

Status cuDeviceGetCount(int *count) {
    CALL("cuDeviceGetCount", INIT);
    *count = devices();
    return OK;
}

Status cuDeviceGet(int *device, int ordinal) {
    CALL("cuDeviceGet", INIT);
    if (ordinal < 0 || ordinal >= devices()) return INVALID_DEVICE;
    *device = ordinal;
    return OK;
}

Status cuDeviceGetName(char *name, int room, int device) {
    CALL("cuDeviceGetName", INIT);
    snprintf(name, (size_t)room, "%s %d", getenv("FAKE_CUDA_NAME") ? getenv("FAKE_CUDA_NAME") : "Fake GPU", device);
    return OK;
}

Status cuDeviceGetAttribute(int *value, int attribute, int device) {
    CALL("cuDeviceGetAttribute", INIT);
    (void)device;
    int major = 9, minor = 0;
    if (getenv("FAKE_CUDA_CC")) sscanf(getenv("FAKE_CUDA_CC"), "%d.%d", &major, &minor);
    *value = attribute == 75 ? major : attribute == 76 ? minor : 0; /* COMPUTE_CAPABILITY_MAJOR, _MINOR */
    return OK;
}

Status cuDeviceTotalMem_v2(size_t *bytes, int device) {
    CALL("cuDeviceTotalMem", INIT);
    (void)device;
    *bytes = getenv("FAKE_CUDA_MEMORY") ? strtoull(getenv("FAKE_CUDA_MEMORY"), NULL, 10) : (size_t)1 << 30;
    return OK;
}

Status cuDevicePrimaryCtxRetain(void **context, int device) {
    CALL("cuDevicePrimaryCtxRetain", INIT);
    (void)device;
    retained++;
    *context = &the_context;
    return OK;
}

Status cuDevicePrimaryCtxRelease_v2(int device) {
    CALL("cuDevicePrimaryCtxRelease", INIT);
    (void)device;
    if (retained == 0) {
        violation("the primary context was released once too often");
        return INVALID_CONTEXT;
    }
    if (--retained == 0) {
        run_everything();
        context_gone();
    }
    return OK;
}

Status cuCtxPushCurrent_v2(void *context) {
    CALL("cuCtxPushCurrent", INIT);
    if (context != &the_context || retained == 0 || depth == DEEPEST) return INVALID_CONTEXT;
    depth++;
    return OK;
}

Status cuCtxPopCurrent_v2(void **context) {
    CALL("cuCtxPopCurrent", INIT);
    if (depth == 0) {
        violation("cuCtxPopCurrent without a current context");
        return INVALID_CONTEXT;
    }
    depth--;
    if (context) *context = &the_context;
    return OK;
}

Status cuCtxGetCurrent(void **context) {
    CALL("cuCtxGetCurrent", INIT);
    *context = has_context() ? &the_context : NULL;
    return OK;
}

Status cuCtxGetDevice(int *device) {
    CALL("cuCtxGetDevice", CONTEXT);
    *device = 0;
    return OK;
}

Status cuGetExportTable(const void **table, const void *id) { /* NVRTC asks for what is not public, if there is a driver */
    CALL("cuGetExportTable", 0);
    (void)id;
    *table = NULL;
    return NOT_FOUND;
}

Status cuCtxSynchronize(void) {
    CALL("cuCtxSynchronize", CONTEXT | NOT_WHILE_ANY_CAPTURES);
    run_everything();
    return lost;
}

static const struct { Status status; const char *name, *text; } meanings[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {214, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {600, "CUDA_ERROR_NOT_READY", "device not ready"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {908, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD",
     "attempt to terminate a thread-local capture sequence from another thread"},
    {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
    {12345, "CUDA_ERROR_OF_TOMORROW", "an error of tomorrow"},
};

static Status meaning(Status status, const char **text, bool name) {
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].status == status) {
            *text = name ? meanings[i].name : meanings[i].text;
            return OK;
        }
    *text = NULL;
    return INVALID_VALUE;
}

Status cuGetErrorString(Status status, const char **text) { return meaning(status, text, false); }
Status cuGetErrorName(Status status, const char **text) { return meaning(status, text, true); }

/* The bindings of cuda-python ask for every function of the driver here; those that are missing stay NULL. */
Status cuGetProcAddress_v2(const char *symbol, void **function, int version, uint64_t flags, int *found) {
    (void)version, (void)flags;
    Dl_info self;
    dladdr((void *)cuInit, &self);
    void *library = dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    char name[96];
    snprintf(name, sizeof name, "%s_v2", symbol);
    *function = dlsym(library, name);
    if (!*function) *function = dlsym(library, strcmp(symbol, "cuGraphInstantiate") ? symbol : "cuGraphInstantiateWithFlags");
    dlclose(library);
    if (found) *found = *function ? 0 : 1;
    return *function ? OK : NOT_FOUND;
}
