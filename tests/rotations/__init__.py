"""Rotations as a queue: what is scheduled, who gets it, and what becomes of it when a worker fails or dies."""
