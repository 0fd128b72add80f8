"""What the README claims about cost, as ratios of two things measured side by side. Nothing here fails on a time."""
