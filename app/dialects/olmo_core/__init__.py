"""OLMo-core 3: `olmo_core.optim.scheduler`, in steps: functions of the step and of the length of the run."""
