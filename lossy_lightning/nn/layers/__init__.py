"""Layers that stems and backbones share: quantized layers, padding, tables of rows."""
