"""timm.scheduler, timm 1.0.31."""
