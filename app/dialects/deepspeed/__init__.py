"""deepspeed.runtime.lr_schedules, DeepSpeed 0.19.6, and its configuration file."""
