"""The formats of a report: HTML for people, JSON and OSCAL for programs."""
