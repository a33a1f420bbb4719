"""Mathematics: arrays in, arrays out; no validation, no input or output."""
