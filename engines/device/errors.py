"""A status of the CUDA driver as an error: what was called, in CUDA's own words, and whether the device is lost."""

from __future__ import annotations

from pipeline.errors import BackendError

# What CUDA answers once a context is of no use any more (cuda.h). All later calls on it fail alike.
LOST = frozenset(
    (
        4,  # DEINITIALIZED
        46,  # DEVICE_UNAVAILABLE
        214,  # ECC_UNCORRECTABLE
        220,  # NVLINK_UNCORRECTABLE
        226,  # CONTAINED: an uncorrectable error that is kept to this process
        700,  # ILLEGAL_ADDRESS
        702,  # LAUNCH_TIMEOUT
        709,  # CONTEXT_IS_DESTROYED
        710,  # ASSERT
        714,  # HARDWARE_STACK_ERROR
        715,  # ILLEGAL_INSTRUCTION
        716,  # MISALIGNED_ADDRESS
        717,  # INVALID_ADDRESS_SPACE
        718,  # INVALID_PC
        719,  # LAUNCH_FAILED
        721,  # TENSOR_MEMORY_LEAK
        810,  # MPS_CLIENT_TERMINATED
        911,  # EXTERNAL_DEVICE
        999,  # UNKNOWN: what a card that went away answers with most drivers
    )
)
OUT_OF_MEMORY = 2
CAPTURE_BROKEN = (900, 901)  # STREAM_CAPTURE_UNSUPPORTED, STREAM_CAPTURE_INVALIDATED


class DeviceLostError(BackendError):
    """The GPU, or our context on it, is gone: nothing that was begun there will end. Another device can go on."""


class DeviceMemoryError(BackendError):
    """The GPU has too little memory left; the device goes on."""


class CaptureBrokenError(BackendError):
    """Something was called that waits for a stream that records, or for all of them; perhaps by another thread."""


def device_error(call: str, status: int, meaning: str) -> BackendError:
    """The error for a status that is not success.

    Args:
        call: the driver's function, such as `cuMemAlloc`.
        status: its CUresult.
        meaning: CUDA's own words for it.
    """
    message = f"{call}: {meaning} (CUDA error {status})"
    if status in LOST:
        return DeviceLostError(f"the GPU cannot be used any more: {message}")
    if status in CAPTURE_BROKEN:
        return CaptureBrokenError(message)
    return (DeviceMemoryError if status == OUT_OF_MEMORY else BackendError)(message)
