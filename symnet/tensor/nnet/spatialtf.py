"""Spatial transformers: affine grids and the sampling of images at their points."""

from __future__ import annotations

from symnet.ops.nnet.spatial_transformer import (
    affine_grid,
    bilinear_sample,
    spatial_transform,
)

__all__ = ["affine_grid", "bilinear_sample", "spatial_transform"]
