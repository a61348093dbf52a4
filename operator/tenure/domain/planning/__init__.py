"""Plans what to do about an object, as pure functions on values."""
