"""The parts of a scrape: what each reads, by index, and the samples that it makes of it."""
