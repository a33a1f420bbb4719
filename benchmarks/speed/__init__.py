"""The speed benchmarks behind ``benchmarks/run.py``: one module per question, one harness."""
