"""How fast a network runs here as a part of the whole pipeline, measured so that it can be believed."""
