"""What results are worth, in the field's official measures."""
