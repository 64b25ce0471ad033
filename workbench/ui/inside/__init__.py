"""The inside of a run: what it kept, and pictures of its net."""
