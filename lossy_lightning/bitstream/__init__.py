"""Standard bit streams to quantized coefficients: entropy decoding only, with NumPy and Numba, without torch."""
