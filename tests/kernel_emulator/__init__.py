"""The .cu files run on the host: blocks and threads in shuffled order, behind a device of host memory."""
