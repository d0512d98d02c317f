"""The rules of a space: when a knob is drawn, what follows from others, what has to hold."""
