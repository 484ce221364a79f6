"""Small parts that know nothing of the product; they import the standard library and each other only."""
