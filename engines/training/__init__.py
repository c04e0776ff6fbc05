"""Training: losses, augmentation, the loop. Data and the score are handed in; torch is imported by the parts."""
