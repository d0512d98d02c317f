"""Weights handed on: whose a trial begins with, and what tells whether that helps."""
