"""What the product means, as pure values and functions."""
