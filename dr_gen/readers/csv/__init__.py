"""Tables that training loops write."""
