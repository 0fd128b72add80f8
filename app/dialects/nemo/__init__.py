"""nemo.core.optim.lr_scheduler, NeMo 2.6."""
