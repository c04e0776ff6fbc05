/* A camera for Video4Linux where there is none, to be preloaded.
 *
 * Stands between a program and the kernel: the ioctls of Video4Linux on a FIFO are answered here, as a
 * camera of 320x240 YUYV pixels at 30 frames a second. Each byte written to the FIFO is one picture, whose
 * pixels all have that value; 'x' unplugs the camera. FAKE_V4L2_BUSY=1: another program has it. FAKE_V4L2_PLANAR=1:
 * its pixels are planar (YU12). What a program unmaps is lost: 0xee.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 320, HEIGHT = 240, BYTES = WIDTH * HEIGHT * 2, BUFFERS = 32 };

static unsigned char memory[BUFFERS * BYTES];
static unsigned queued[BUFFERS], put, got;

static int is_camera(int fd) {
    struct stat state;
    return fstat(fd, &state) == 0 && S_ISFIFO(state.st_mode);
}

static int fail(int error) {
    errno = error;
    return -1;
}

static unsigned pixel_format(void) {
    return getenv("FAKE_V4L2_PLANAR") ? V4L2_PIX_FMT_YUV420 : V4L2_PIX_FMT_YUYV;
}

static unsigned size(void) {
    return getenv("FAKE_V4L2_PLANAR") ? BYTES * 3 / 4 : BYTES;
}

static int next_picture(int fd, struct v4l2_buffer *buffer) {
    unsigned char value;
    struct timespec now;
    if (read(fd, &value, 1) != 1 || value == 'x') return fail(ENODEV);
    buffer->index = queued[got++ % BUFFERS];
    buffer->bytesused = size();
    buffer->flags = 0;
    memset(memory + buffer->index * BYTES, value, BYTES);
    clock_gettime(CLOCK_MONOTONIC, &now);
    buffer->timestamp.tv_sec = now.tv_sec;
    buffer->timestamp.tv_usec = now.tv_nsec / 1000;
    return 0;
}

static int answer(int fd, unsigned request, void *argument) {
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *found = argument;
        memset(found, 0, sizeof *found);
        found->capabilities = found->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    }
    case VIDIOC_S_FMT:
        if (getenv("FAKE_V4L2_BUSY")) return fail(EBUSY);
        /* fall through */
    case VIDIOC_G_FMT: {
        struct v4l2_pix_format *pixels = &((struct v4l2_format *)argument)->fmt.pix;
        pixels->width = WIDTH, pixels->height = HEIGHT, pixels->pixelformat = pixel_format();
        pixels->bytesperline = getenv("FAKE_V4L2_PLANAR") ? WIDTH : WIDTH * 2;
        pixels->sizeimage = size(), pixels->field = V4L2_FIELD_NONE;
        return 0;
    }
    case VIDIOC_ENUM_FMT: {
        struct v4l2_fmtdesc *format = argument;
        if (format->index) return fail(EINVAL);
        format->pixelformat = pixel_format();
        return 0;
    }
    case VIDIOC_ENUMINPUT: {
        struct v4l2_input *input = argument;
        if (input->index) return fail(EINVAL);
        memset(input, 0, sizeof *input);
        return 0;
    }
    case VIDIOC_G_INPUT:
        *(int *)argument = 0;
        return 0;
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
        struct v4l2_captureparm *capture = &((struct v4l2_streamparm *)argument)->parm.capture;
        capture->capability = V4L2_CAP_TIMEPERFRAME;
        capture->timeperframe.numerator = 1, capture->timeperframe.denominator = 30;
        return 0;
    }
    case VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *wanted = argument;
        if (wanted->count > BUFFERS) wanted->count = BUFFERS;
        return 0;
    }
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *buffer = argument;
        buffer->length = size();
        buffer->m.offset = buffer->index * BYTES;
        return 0;
    }
    case VIDIOC_QBUF:
        queued[put++ % BUFFERS] = ((struct v4l2_buffer *)argument)->index;
        return 0;
    case VIDIOC_DQBUF:
        return next_picture(fd, argument);
    case VIDIOC_S_INPUT:
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
        return 0;
    }
    return fail(ENOTTY);
}

int ioctl(int fd, unsigned long request, ...) {
    static int (*real)(int, unsigned long, void *);
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (_IOC_TYPE(request) == 'V' && is_camera(fd)) return answer(fd, (unsigned)request, argument);
    if (!real) real = (int (*)(int, unsigned long, void *))dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, argument);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    static void *(*real)(void *, size_t, int, int, int, off_t);
    if (fd >= 0 && is_camera(fd)) return memory + offset;
    if (!real) real = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    return real(address, length, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    return mmap(address, length, protection, flags, fd, offset);
}

int munmap(void *address, size_t length) {
    static int (*real)(void *, size_t);
    unsigned char *start = address;
    if (start >= memory && start < memory + sizeof memory) return memset(address, 0xee, length), 0;
    if (!real) real = (int (*)(void *, size_t))dlsym(RTLD_NEXT, "munmap");
    return real(address, length);
}
