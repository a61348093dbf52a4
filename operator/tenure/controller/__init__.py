"""The controller, which watches, caches, enqueues, plans and applies. It compares states and never reacts to events."""
