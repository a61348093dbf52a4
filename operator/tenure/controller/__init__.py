"""The program that reconciles the three kinds: watch, cache, enqueue, plan, apply. It compares states, never events."""
