"""What is judged about a change before it is stored: its price in keys, and whether it is allowed."""
