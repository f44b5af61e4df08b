"""A new container takes the old one's place, with all its data."""
