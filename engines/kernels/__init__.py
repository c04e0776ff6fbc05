"""The frame's way on the GPU, before and behind the network: small CUDA kernels, compiled at first use.

`compile` makes the .cu files into cubins, `arguments` holds what each kernel takes, `launch` starts them. The steps
are `preparing`, `labelling`, `blending` and `detecting`; each plans its tables and buffers once for a shape.
"""
