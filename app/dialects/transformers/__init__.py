"""transformers 5.23.0: what `get_scheduler` knows by name, and `TrainingArguments`."""
