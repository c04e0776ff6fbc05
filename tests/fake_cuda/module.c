/* Kernels: functions of a shared library of the host. A "cubin" is `HOSTSO:` and the library's path.
 *
 * A kernel is `void name(void **args, unsigned grid[3], unsigned block[3])`, where args[i] points to the value of
 * parameter i, and runs all blocks and threads of the launch itself. Beside it the library has the sizes of the
 * parameters in bytes, which the real driver reads from the cubin: `const unsigned name_params[] = {8, 4, 0};`
 */
#include "fake_cuda.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { void (*run)(void **, unsigned *, unsigned *); const unsigned *sizes; } Kernel;

Status cuModuleLoadData(void **module, const void *image) {
    CALL("cuModuleLoadData", CONTEXT | NOT_WHILE_CAPTURING);
    if (strncmp(image, "HOSTSO:", 7)) return INVALID_IMAGE;
    void *library = dlopen((const char *)image + 7, RTLD_NOW | RTLD_LOCAL);
    if (!library) return INVALID_IMAGE;
    *module = born(MODULE, NULL, 0, library);
    return OK;
}

Status cuModuleLoadDataEx(void **module, const void *image, unsigned count, int *options, void **values) {
    for (unsigned i = 0; i < count; i++)
        if (options[i] == 3 || options[i] == 5) *(char *)values[i] = 0; /* JIT_INFO_LOG_BUFFER, JIT_ERROR_LOG_BUFFER */
        else if (options[i] == 4 || options[i] == 6) values[i] = NULL;  /* and how much was written to them */
    return cuModuleLoadData(module, image);
}

Status cuModuleUnload(void *module) {
    CALL("cuModuleUnload", CONTEXT | NOT_WHILE_CAPTURING);
    Object *object = living(module, MODULE);
    if (!object) return INVALID_HANDLE;
    run_everything();
    dlclose(object->of);
    return dies(object);
}

Status cuModuleGetFunction(void **function, void *module, const char *name) {
    CALL("cuModuleGetFunction", CONTEXT);
    Object *object = living(module, MODULE);
    if (!object) return INVALID_HANDLE;
    char params[128];
    snprintf(params, sizeof params, "%s_params", name);
    Kernel *kernel = malloc(sizeof *kernel); /* dies with the process: somebody may still hold it */
    *(void **)&kernel->run = dlsym(object->of, name);
    kernel->sizes = dlsym(object->of, params);
    if (!kernel->run || !kernel->sizes) return NOT_FOUND;
    *function = kernel;
    return OK;
}

/* The arguments in one piece: pointers first, then the values. */
static void *keep(const unsigned *sizes, void **args, const char *packed) {
    size_t count = 0, bytes = 0, offset = 0;
    for (; sizes[count]; count++) bytes += (sizes[count] + 15) / 16 * 16;
    void **kept = calloc(1, (count + 1) * sizeof *kept + 16 + bytes);
    char *values = (char *)(((uintptr_t)(kept + count + 1) + 15) / 16 * 16);
    for (size_t i = 0; i < count; i++) {
        size_t align = sizes[i] >= 8 ? 8 : sizes[i];
        offset = (offset + align - 1) / align * align;
        kept[i] = memcpy(values, args ? args[i] : packed + offset, sizes[i]);
        offset += sizes[i];
        values += (sizes[i] + 15) / 16 * 16;
    }
    return kept;
}

Status cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                      unsigned shared_bytes, void *stream, void **args, void **extra) {
    CALL("cuLaunchKernel", CONTEXT);
    Kernel *kernel = function;
    if (!gx || !gy || !gz || !bx || !by || !bz || bx * by * bz > 1024 || gy > 65535 || gz > 65535
        || shared_bytes > 227 * 1024)
        return INVALID_VALUE;
    const char *packed = NULL;
    for (; extra && *extra; extra += 2)
        if (*extra == (void *)1) packed = extra[1]; /* CU_LAUNCH_PARAM_BUFFER_POINTER */
    if (!args && !packed && kernel->sizes[0]) return INVALID_VALUE;
    Op op = {.kind = KERNEL, .function = kernel->run, .grid = {gx, gy, gz}, .block = {bx, by, bz}};
    op.staged = keep(kernel->sizes, packed ? NULL : args, packed);
    return put(stream, op);
}
