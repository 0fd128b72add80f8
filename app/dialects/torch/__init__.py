"""torch.optim.lr_scheduler, PyTorch 2.13.0, and its `state_dict()`."""
