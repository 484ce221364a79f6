"""Generic helpers without knowledge of the domain; they import only the standard library and each other."""
