"""At home elsewhere: each module here imports its host, and nobody imports it unasked."""
