"""Output folders of the Trainer of Hugging Face."""
