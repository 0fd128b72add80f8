"""Megatron-LM: its scheduler of the rate and the weight decay, and the arguments of its training script."""
