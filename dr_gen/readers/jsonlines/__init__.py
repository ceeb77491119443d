"""JSON lines as most training loops write them."""
