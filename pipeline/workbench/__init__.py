"""Where both sides meet: training, verification and quantisation, put together from `pipeline` and `engines`."""
