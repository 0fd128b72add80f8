"""ignite.handlers, PyTorch-Ignite 0.5.5: parameter schedulers."""
