"""What every figure stands on: estimates with intervals, means, extremes, and differences of two models."""
