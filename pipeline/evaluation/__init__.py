"""How right: networks scored on labelled images and films, now or from their records; runs compared."""
