"""Plans: what is to be done about an object, decided on values alone."""
