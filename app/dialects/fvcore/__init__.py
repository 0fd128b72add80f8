"""fvcore.common.param_scheduler, fvcore 0.1.5."""
