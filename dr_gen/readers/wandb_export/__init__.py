"""What the web pages of Weights & Biases export."""
