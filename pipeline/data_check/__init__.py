"""What is in a data set: counted, checked and shown on a sheet."""
